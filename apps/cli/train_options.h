#pragma once
// The flags of `striate train`, with their defaults.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace striate::cli {

struct TrainOptions {
  // Model.
  std::string model = "vgg16";
  double width_multiplier = 1;
  double dropout = 0;
  bool zero_gamma = false;
  bool whiten = false;
  std::string precision = "fp32";
  std::string loss_scale = "automatic";
  std::string conv = "automatic";
  std::uint64_t seed = 0;
  // Optimiser.
  std::int64_t epochs = 30;
  std::int64_t batch_size = 128;
  std::int64_t accumulate = 1;  // batches an update
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;
  bool no_bias_decay = false;
  double clip_norm = 0;
  // Learning rate.
  double lr = 0.1;
  std::int64_t base_batch_size = 0;
  double head_lr = 0;
  double norm_lr_scale = 1;
  std::string schedule = "cosine";
  double warmup_epochs = 0;
  std::int64_t step_size = 30;  // epochs
  double gamma = 0.1;
  std::string milestones;  // epochs, "60,90"
  double power = 1;
  // Data.
  std::string data;
  std::string classes;         // names, "cat,dog"
  std::int64_t per_class = 0;  // training images
  bool no_shuffle = false;
  std::string augment = "standard";
  std::string pad = "zero";
  std::string flip = "random";
  std::int64_t cutout = 0;
  double mixup = 0;
  double cutmix = 0;
  // Loss.
  double label_smoothing = 0;
  std::string label_smoothing_form = "pytorch";
  std::string teacher;
  double temperature = 20;
  double distill_weight = 1;
  // Transfer learning.
  std::string init;
  std::string freeze;  // prefixes, "features.0,features.1"
  // Averages of weights.
  double ema = 0;
  std::int64_t swa_from = 0;  // epoch, from 1
  // What follows does not change what is computed.
  std::string out;
  int threads = 0;
  int workers = 1;
  std::int64_t max_steps = 0;
  double checkpoint_minutes = 10;
  bool resume = false;
};

/// Declares every flag on `app`, bound to `options`, in groups.
void add_train_flags(CLI::App& app, TrainOptions& options);

/// Whether a resumed run may give another value: threads, the paths of data and teacher (whose contents are
/// checked), how long to go on, and the like.
bool may_change_on_resume(const std::string& flag);

/// Checks what a flag alone cannot know: ranges, and combinations that mean nothing. What only the model or the
/// data can tell is checked where they are made (train_parts.h). Throws UsageError, before anything is read or written.
void check_train_options(const TrainOptions& options);

/// "a,b" to {"a", "b"}, "" to none. Throws UsageError naming `flag` for an empty item.
std::vector<std::string> comma_list(const std::string& text, const std::string& flag);

}  // namespace striate::cli

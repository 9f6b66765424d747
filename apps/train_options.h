#pragma once
// The flags of `striate train`, with their defaults.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "apps/precision.h"
#include "optim/schedule.h"

namespace striate::apps {

struct TrainOptions {
  std::string model = "vgg16";
  std::string data;
  std::string out;
  std::int64_t epochs = 30;
  std::int64_t batch_size = 128;
  double lr = 0.1;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  bool nesterov = true;
  bool no_bias_decay = false;
  std::string schedule = "cosine";
  double warmup_epochs = 0;
  std::int64_t step_size = 30;  // epochs
  double gamma = 0.1;
  std::string milestones;  // epochs, "60,90"
  double power = 1;
  double label_smoothing = 0;
  double mixup = 0;
  std::string augment = "standard";
  std::int64_t cutout = 0;
  double dropout = 0;
  std::string precision = "fp32";
  std::string conv = "automatic";
  std::uint64_t seed = 0;
  double width_multiplier = 1;
  double clip_norm = 0;
  bool no_shuffle = false;
  std::string init;
  // What follows does not change what is computed.
  int threads = 0;
  int workers = 1;
  std::int64_t max_steps = 0;
  double checkpoint_minutes = 10;
  bool resume = false;
};

/// Declares every flag on `app`, bound to `options`.
void add_train_flags(CLI::App& app, TrainOptions& options);

/// Whether a resumed run may give another value: threads, the data's path, how long to go on, and the like.
bool may_change_on_resume(const std::string& flag);

/// Checks what a flag alone cannot know. Throws UsageError.
void check_train_options(const TrainOptions& options);

/// The schedule of a run with so many steps an epoch. Throws std::invalid_argument.
ScheduleOptions schedule_of(const TrainOptions& options, std::int64_t steps_per_epoch);

}  // namespace striate::apps

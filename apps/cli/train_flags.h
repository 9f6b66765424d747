#pragma once
// The flags of `striate train`, in one table: declaring, checking, config.toml, what a resumed run may change and the
// flags of recipes all come from it. A new flag is a field and a row. What the flags make is in apps/cli/train_setup.h.

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/cli/toml.h"

namespace striate::cli {

struct TrainFlags {
  // Model.
  std::string model = "vgg16";  ///< with options of its own: "mynet:depth=20"
  double width_multiplier = 1;  ///< this and the next two stand for options of the model
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
  std::int64_t accumulate = 1;
  std::string optimizer = "sgd";  ///< with options of its own: "lion:beta1=0.95"
  double momentum = 0.9;
  bool nesterov = true;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
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
  std::int64_t step_size = 30;
  double gamma = 0.1;
  std::string milestones;
  double power = 1;
  // Data.
  std::string data;
  std::string dataset;
  std::string classes;
  std::int64_t per_class = 0;
  bool no_shuffle = false;
  std::string transform;
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
  std::string freeze;
  // Averages of weights.
  double ema = 0;
  std::int64_t swa_from = 0;
  // Run.
  std::string out;
  std::int64_t threads = 0;
  std::int64_t workers = 1;
  std::int64_t max_steps = 0;
  double checkpoint_minutes = 10;
  bool resume = false;

  std::set<std::string> given;  ///< names of the flags that were given, not left at their defaults
};

/// What a resumed run may do about a flag.
enum class OnResume : std::uint8_t {
  keep,    ///< it must be as it was
  move,    ///< the path may be another, but what lies there the same
  change,  ///< where and how a run runs, not what it computes
};

struct TrainFlag {
  using Field = std::variant<bool TrainFlags::*, std::int64_t TrainFlags::*, std::uint64_t TrainFlags::*,
                             double TrainFlags::*, std::string TrainFlags::*>;
  std::string name;
  std::string group;
  Field field;
  std::string help;
  std::function<void(const TrainFlags&)> check;  ///< of this flag alone; throws UsageError
  OnResume on_resume = OnResume::keep;
  std::string only_for = {};  ///< the optimiser that it belongs to; empty for all
};

/// In the order of the help text, group by group.
const std::vector<TrainFlag>& train_flag_table();

/// Null where there is no such flag.
const TrainFlag* find_train_flag(const std::string& name);

/// Parses and checks each flag alone. Throws UsageError, CLI::CallForHelp for --help.
TrainFlags parse_train_flags(const Arguments& arguments);
/// The same from a config.toml or a recipe.
TrainFlags parse_train_flags(const Values& values);

/// Checks combinations that mean nothing, before anything is read or written; what only the model or the data can
/// tell is checked where they are made. Throws UsageError.
void check_together(const TrainFlags& flags);

/// Every flag with its value as text, in one spelling: what config.toml holds. Empty where a flag has no value, belongs
/// to another optimiser, or stands for an option that --optimizer sets. Throws std::invalid_argument for --optimizer
/// with options that cannot be parsed.
Values values_of(const TrainFlags& flags);

/// The value of a flag; throws std::out_of_range where there is none of this name.
const std::string& value_of(const Values& values, const std::string& flag);

/// "sgd" of "sgd:momentum=0.5".
std::string name_part(const std::string& name_and_options);

/// "a,b" to {"a", "b"}, "" to none. Throws UsageError naming `flag` for an empty item.
std::vector<std::string> list_of(const std::string& text, const std::string& flag, char separator = ',');

}  // namespace striate::cli

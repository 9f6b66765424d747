#pragma once
// The flags of `striate train`, in one table: declaring, checking, config.toml, what a resumed run may change and the
// flags of recipes all come from it. A new flag is a field and a row. What the flags make is in apps/cli/train_setup.h.

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/cli/toml.h"
#include "data/image.h"

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
  double val_split = 0;
  std::int64_t patience = 0;
  std::int64_t image_size = 0;
  double crop_pct = 0;
  std::int64_t max_pixels = kMaxPixels;
  bool skip_broken = false;
  std::int64_t cache = 512;
  std::string mean;
  std::string deviation;  ///< --std
  bool drop_last = false;
  bool no_shuffle = false;
  std::string transform;
  std::string augment = "standard";
  std::string pad = "zero";
  std::string flip = "random";
  std::int64_t cutout = 0;
  double random_erase = 0;
  double mixup = 0;
  double cutmix = 0;
  // Loss.
  double label_smoothing = 0;
  std::string label_smoothing_form = "pytorch";
  double class_balance = 0;
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
  bool tensorboard = false;
  bool report = false;
  bool resume = false;

  // Names of the flags that were given, not left at their defaults.
  std::set<std::string> given;
  std::set<std::string> given_here;    ///< of these, on the command line
  std::set<std::string> given_before;  ///< of these, only by what the command line is laid over (parse_train_flags)
};

/// What a resumed run may do about a flag.
enum class OnResume : std::uint8_t {
  keep,    ///< it must be as it was
  move,    ///< the path may be another, but what lies there the same
  change,  ///< where and how a run runs, not what it computes
};

/// Another flag without which a flag means nothing.
struct Need {
  std::string flag;
  std::vector<std::string> values = {};  ///< what it must be, by name; none: anything but 0, false and nothing
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
  std::vector<Need> needs = {};  ///< given without one of these it is refused, see check_together
  std::string off = {};          ///< what it may be without them, since it then asks for nothing
};

/// In the order of the help text, group by group.
const std::vector<TrainFlag>& train_flag_table();

/// Null where there is no such flag.
const TrainFlag* find_train_flag(const std::string& name);

/// Whether the flag says where and how a run runs, not what it computes.
bool is_about_running(const std::string& flag);

/// A command that has flags of the table, and perhaps others beside them.
struct CommandOfFlags {
  std::string name = "train";
  std::string about = "Trains a model on a data set.";
  std::set<std::string> without = {};              ///< refused on the command line, passed over in a --config file
  std::map<std::string, std::string> help = {};    ///< of flags that mean another thing here
  std::map<std::string, std::string> advice = {};  ///< on flags that it is without: what to do instead
  std::function<void(CLI::App&)> add_others = [](CLI::App&) {};
};

/// Parses and checks each flag alone. `before` is what the command line is laid over: the flags of a run that is
/// resumed, or of a recipe. Throws UsageError, CLI::CallForHelp for --help.
TrainFlags parse_train_flags(const Arguments& arguments, const Values& before = {}, const CommandOfFlags& command = {});

/// Checks combinations that mean nothing, before anything is read or written; what only the model or the data can
/// tell is checked where they are made. A flag without what it needs is refused where it was given on the command line.
/// Of what was given before, it goes back to its default without a word: a trick that takes another schedule need not
/// know the flags of the one before. So it does where a --config file gives it and the command line another schedule,
/// or where the file, as every config.toml, gives the default. Throws UsageError.
void check_together(TrainFlags& flags);

/// "belongs to --schedule multistep, got --schedule cosine" of a flag that means nothing beside the others, else empty.
std::string unmet_need(const TrainFlag& row, const TrainFlags& flags);

/// The value of a flag as text.
std::string text_of(const TrainFlag& row, const TrainFlags& flags);

/// Every flag with its value as text, in one spelling: what config.toml holds. Empty where a flag has no value, lacks
/// what it needs, or stands for an option that --optimizer sets. Throws std::invalid_argument for --optimizer with
/// options that cannot be parsed.
Values values_of(const TrainFlags& flags);

/// The value of a flag; throws std::out_of_range where there is none of this name.
const std::string& value_of(const Values& values, const std::string& flag);

/// "sgd" of "sgd:momentum=0.5".
std::string name_part(const std::string& name_and_options);

/// "a,b" to {"a", "b"}, "" to none. Throws UsageError naming `flag` for an empty item.
std::vector<std::string> list_of(const std::string& text, const std::string& flag, char separator = ',');

}  // namespace striate::cli

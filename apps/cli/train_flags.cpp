#include "apps/cli/train_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "apps/cli/shared_flags.h"
#include "apps/cli/train_setup.h"
#include "core/precision.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/transform.h"
#include "models/registry.h"
#include "optim/registry.h"
#include "optim/schedule.h"

namespace striate::cli {
namespace {

using F = TrainFlags;

// What optimisers other than SGD start from: PyTorch's for AdamW.
constexpr double kOtherLr = 1e-3;
constexpr double kOtherWeightDecay = 1e-2;

// Checks of one value, called with the flag's name.
template <class T>
auto from(T least) {
  return [least](const std::string& flag, auto value) { at_least(flag, value, least); };
}

template <class T>
auto between(T least, T most) {
  return [least, most](const std::string& flag, auto value) { within(flag, value, least, most); };
}

const auto kAbove0 = [](const std::string& flag, double value) {
  require(value > 0 && std::isfinite(value), flag, "more than 0", fmt::format("{}", value));
};

const auto kBelow1 = [](const std::string& flag, double value) {
  require(value >= 0 && value < 1, flag, "0 or more and below 1", fmt::format("{}", value));
};

// The names come from a function, since programs register more of them.
template <class Names>
auto name_of(Names names) {
  return [names](const std::string& flag, const std::string& value) { one_of(flag, name_part(value), names()); };
}

auto any_of(std::vector<std::string> names) {
  return [names = std::move(names)](const std::string& flag, const std::string& value) { one_of(flag, value, names); };
}

// What `read` throws for.
template <class Read>
auto read_by(Read read) {
  return [read](const std::string&, const std::string& value) { read(value); };
}

const auto kCropPart = [](const std::string& flag, double value) {
  require(value == 0 || (value >= 0.5 && value <= 1), flag, "from 0.5 to 1, or 0", fmt::format("{}", value));
};

const auto kList = [](const std::string& flag, const std::string& value) { list_of(value, flag); };

const auto kChannels = [](const std::string& flag, const std::string& value) { channel_values(flag, value); };

const auto kDataset = [](const std::string& flag, const std::string& value) {
  if (!value.empty()) one_of(flag, name_part(value), dataset_names());
};

const auto kClasses = [](const std::string& flag, const std::string& value) {
  require(list_of(value, flag).size() != 1, flag, "two names or more", value);
};

struct Rules {
  OnResume on_resume = OnResume::keep;
  std::vector<Need> needs = {};
  const char* off = "";
};

Rules needing(std::vector<Need> needs, const char* off = "") { return {.needs = std::move(needs), .off = off}; }

class Table {
 public:
  void group(const char* title) { group_ = title; }
  template <class T, class Check>
  void flag(const char* name, T F::*field, const Check& check, const std::string& help, const Rules& rules = {}) {
    flag(name, field, help, rules);
    rows.back().check = [=](const F& flags) { check(name, flags.*field); };
  }
  template <class T>
  void flag(const char* name, T F::*field, const std::string& help, const Rules& rules = {}) {
    rows.push_back({.name = name,
                    .group = group_,
                    .field = field,
                    .help = help,
                    .check = [](const F&) {},
                    .on_resume = rules.on_resume,
                    .needs = rules.needs,
                    .off = rules.off});
  }
  std::vector<TrainFlag> rows;

 private:
  const char* group_ = "";
};

std::vector<TrainFlag> make_table() {
  Table t;
  t.group("Model");
  t.flag("model", &F::model, name_of(model_names),
         joined(model_names()) + "; with options as NAME:option=value,option=value");
  t.flag("width-multiplier", &F::width_multiplier, kAbove0, "The model's option width_multiplier; 1: the model's own");
  t.flag("dropout", &F::dropout, between(0.0, 1.0), "The model's option dropout; 0: the model's own");
  t.flag("zero-gamma", &F::zero_gamma, "The model's option zero_gamma: residual blocks start as their shortcut");
  t.flag("whiten", &F::whiten, "The first convolution starts as one that whitens the training images");
  t.flag("precision", &F::precision, name_of(precision_names), joined(precision_names()));
  t.flag("loss-scale", &F::loss_scale, read_by(loss_scale_of),
         "precision fp16: a number, dynamic (as PyTorch's GradScaler), or automatic, which is dynamic",
         needing({{"precision", {"fp16"}}}, "automatic"));
  t.flag("conv", &F::conv, read_by(conv_algorithm_of), conv_flag_help());
  t.flag("seed", &F::seed, "Fixes the run, byte for byte");

  t.group("Optimiser");
  const Need sgd{"optimizer", {"sgd"}};
  const Need adamw{"optimizer", {"adamw"}};
  t.flag("epochs", &F::epochs, between<std::int64_t>(1, kMostCounted), "Passes over the training set");
  t.flag("batch-size", &F::batch_size, between<std::int64_t>(1, kMostCounted),
         "Images a batch; the last one of an epoch may have fewer");
  t.flag("accumulate", &F::accumulate, between<std::int64_t>(1, kMostCounted),
         "Batches an update; all counts of steps are of updates");
  t.flag("optimizer", &F::optimizer, name_of(optimizer_names),
         joined(optimizer_names()) + "; with options as NAME:option=value,option=value");
  t.flag("momentum", &F::momentum, from(0.0), "sgd: momentum", needing({sgd}));
  t.flag("nesterov", &F::nesterov, "sgd: Nesterov momentum (default on)", needing({sgd, {"momentum"}}));
  t.flag("beta1", &F::beta1, kBelow1, "adamw: decay of the gradient's average", needing({adamw}));
  t.flag("beta2", &F::beta2, kBelow1, "adamw: decay of the squared gradient's average", needing({adamw}));
  t.flag("eps", &F::eps, from(0.0), "adamw: added to the denominator", needing({adamw}));
  t.flag("weight-decay", &F::weight_decay, from(0.0),
         fmt::format("sgd: L2 penalty; adamw: decoupled. Default of optimizers other than sgd: {}", kOtherWeightDecay));
  t.flag("no-bias-decay", &F::no_bias_decay, "Weight decay on conv and linear weights only",
         needing({{"weight-decay"}}));
  t.flag("clip-norm", &F::clip_norm, from(0.0), "Clip the gradient's total L2 norm; 0: off");

  t.group("Learning rate");
  t.flag("lr", &F::lr, from(0.0),
         fmt::format("The schedule's highest learning rate. Default of optimizers other than sgd: {}", kOtherLr));
  t.flag("base-batch-size", &F::base_batch_size, between<std::int64_t>(0, kMostCounted),
         "Rates are for updates of so many images: they grow by an update's images / base-batch-size; 0: off");
  t.flag("head-lr", &F::head_lr, from(0.0), "The classifier's highest rate; 0: as --lr", needing({{"lr"}}, "0"));
  t.flag("norm-lr-scale", &F::norm_lr_scale, from(0.0), "Factor on the rate of the norms' scales and shifts");
  t.flag("schedule", &F::schedule, name_of(schedule_names), joined(schedule_names()));
  t.flag("warmup-epochs", &F::warmup_epochs, between<double>(0, kMostCounted), "Epochs of linear warmup from 0");
  t.flag("step-size", &F::step_size, from<std::int64_t>(1), "schedule step: epochs between drops",
         needing({{"schedule", {"step"}}}));
  t.flag("gamma", &F::gamma, kAbove0, "schedules step, multistep, exponential: factor of a drop",
         needing({{"schedule", {"step", "multistep", "exponential"}}}));
  t.flag("milestones", &F::milestones, read_by(milestones_of), "schedule multistep: epochs of the drops, \"60,90\"",
         needing({{"schedule", {"multistep"}}}));
  t.flag("power", &F::power, kAbove0, "schedule poly: the exponent", needing({{"schedule", {"poly"}}}));

  t.group("Data");
  const Need padding{"augment", {"standard", "trivial", "rand"}};
  const Need flipping{"augment", {"standard", "imagenet", "trivial", "rand"}};
  t.flag("data", &F::data, "The data set's folder or file (striate verify --help lists what is known)",
         {.on_resume = OnResume::change});
  t.flag("dataset", &F::dataset, kDataset,
         joined(dataset_names()) + "; with options as NAME:option=value. Default: what --data looks like");
  t.flag("classes", &F::classes, kClasses, "Only these, in this order: \"cat,dog\"");
  t.flag("per-class", &F::per_class, from<std::int64_t>(0),
         "Only the first so many training images of each class; 0: all");
  t.flag("val-split", &F::val_split, kBelow1,
         "Hold out this part of the training images of each class and keep the weights of the epoch that is best on "
         "them (weights_best.safetensors); 0: none");
  t.flag("patience", &F::patience, between<std::int64_t>(0, kMostCounted),
         "End after so many epochs without a better accuracy on the validation images; 0: off");
  t.flag("image-size", &F::image_size, between<std::int64_t>(0, kMostOfASide),
         "Bring every image to a square of this side: resized, and the centre cropped; 0: all must have one size");
  t.flag("crop-pct", &F::crop_pct, kCropPart,
         "Evaluate the centre of images whose short side is image-size / this; 0: 0.875 where training crops and "
         "resizes, else 1",
         needing({{"image-size"}}, "0"));
  t.flag("skip-broken", &F::skip_broken, kSkipBrokenHelp);
  t.flag("cache", &F::cache, between<std::int64_t>(0, std::int64_t{1} << 30),
         "MiB of decoded pictures to keep in memory, of files that are decoded as they are needed",
         {.on_resume = OnResume::change});
  t.flag("max-pixels", &F::max_pixels, from<std::int64_t>(1), kMaxPixelsHelp, {.on_resume = OnResume::change});
  t.flag("mean", &F::mean, kChannels,
         "Images are (byte/255 - mean) / std, a number a channel (default: the data set's)");
  t.flag("std", &F::deviation, kChannels, "As --mean");
  t.flag("drop-last", &F::drop_last, "Drop an epoch's last batch where it is not full");
  t.flag("no-shuffle", &F::no_shuffle, "Take images in the files' order");
  t.flag("transform", &F::transform, read_by(transforms_of),
         joined(transform_names()) + "; with options, one after the other: \"NAME:option=value;NAME\"");
  t.flag("augment", &F::augment, any_of({"standard", "imagenet", "trivial", "rand", "none"}),
         "standard: crop with padding 4, and flip; imagenet: crop at random, resize, and flip; trivial, rand: "
         "imagenet's with --image-size, else standard's, and trivial_augment_wide or rand_augment; none");
  t.flag("pad", &F::pad, any_of({"zero", "reflect"}), "What standard's crop finds outside the image, zero or reflect",
         needing({padding}, "zero"));
  t.flag("flip", &F::flip, any_of({"none", "random", "alternating"}), "random, alternating (by epoch) or none",
         needing({flipping}, "none"));
  t.flag("cutout", &F::cutout, from<std::int64_t>(0), "Side of a square set to zero; 0: off");
  t.flag("random-erase", &F::random_erase, between(0.0, 1.0),
         "Probability of a rectangle set to zero (torchvision's RandomErasing); 0: off");
  t.flag("mixup", &F::mixup, from(0.0), "lambda from Beta(A, A) for this A; 0: off");
  t.flag("cutmix", &F::cutmix, from(0.0),
         "lambda from Beta(A, A) for this A; with --mixup each batch gets one of them; 0: off");

  t.group("Loss");
  t.flag("label-smoothing", &F::label_smoothing, between(0.0, 1.0), "Share E of the target spread over the classes");
  t.flag("label-smoothing-form", &F::label_smoothing_form, any_of({"pytorch", "paper"}),
         "pytorch (E/K to each of K) or paper (E/(K-1) to the others)", needing({{"label-smoothing"}}));
  t.flag("class-balance", &F::class_balance, between(0.0, 1.0),
         "Classes count (median count / count)^P in the loss, by training images, in segmentation by their pixels; 1: "
         "median frequency balancing; 0: off");
  t.flag("teacher", &F::teacher, "Add distillation from the model of this file of weights",
         {.on_resume = OnResume::move});
  t.flag("temperature", &F::temperature, kAbove0, "T, of teacher and student in distillation", needing({{"teacher"}}));
  t.flag("distill-weight", &F::distill_weight, kAbove0, "A in loss + A * T^2 * cross entropy with the teacher",
         needing({{"teacher"}}));

  t.group("Transfer learning");
  t.flag("init", &F::init, "Start from this file of weights; a head for other classes keeps its first values");
  t.flag("freeze", &F::freeze, kList,
         "Keep what is below these paths as it is, running statistics too: \"features.0,features.1\"");

  t.group("Averages of weights, tested and saved beside the plain ones");
  t.flag("ema", &F::ema, kBelow1, "Exponential average with this decay an update; 0: off");
  t.flag("swa-from", &F::swa_from, from<std::int64_t>(0),
         "Mean of the weights at the ends of this epoch and of later ones, with new batch-norm statistics; 0: off");

  t.group("Run");
  const Rules free{.on_resume = OnResume::change};
  t.flag("out", &F::out, "Folder of the run (default runs/MODEL)", free);
  t.flag("threads", &F::threads, between<std::int64_t>(0, kMostThreads), kThreadsHelp, free);
  t.flag("workers", &F::workers, between<std::int64_t>(0, 256), "Threads that prepare batches; 0: none", free);
  t.flag("max-steps", &F::max_steps, from<std::int64_t>(0), "Stop after so many updates of the run; 0: at its end",
         free);
  t.flag("checkpoint-minutes", &F::checkpoint_minutes, from(0.0), "Save within an epoch that often", free);
  t.flag("tensorboard", &F::tensorboard,
         "Write event files for TensorBoard into --out: scalars, pictures, histograms of the weights", free);
  t.flag("report", &F::report,
         "Write report.html into --out at every epoch's end, and what the net sees at the last one", free);
  t.flag("resume", &F::resume,
         "Resume from the checkpoint in --out, with its flags; the result is that of an uninterrupted run", free);
  return std::move(t.rows);
}

// A flag that the command is without can still be parsed; a group without a name is not in the help.
void declare(CLI::App& app, const TrainFlag& row, TrainFlags& flags, const CommandOfFlags& command) {
  const std::string dashed = "--" + row.name;
  const auto other_help = command.help.find(row.name);
  const std::string& help = other_help == command.help.end() ? row.help : other_help->second;
  app.option_defaults()->group(command.without.contains(row.name) ? "" : row.group);
  std::visit(
      [&](auto field) {
        auto& value = flags.*field;
        if constexpr (std::is_same_v<decltype(field), bool TrainFlags::*>) {
          app.add_flag(value ? dashed + ",!--no-" + row.name : dashed, value, help);
        } else if constexpr (std::is_same_v<decltype(field), std::string TrainFlags::*>) {
          CLI::Option* option = app.add_option(dashed, value, help);
          if (!value.empty()) option->capture_default_str();
        } else {
          app.add_option(dashed, value, help)->capture_default_str();
        }
      },
      row.field);
}

bool is_on(const std::string& value) { return !value.empty() && value != "0" && value != "false"; }

// As if it had not been given.
void reset(const TrainFlag& row, TrainFlags& f) {
  std::visit([&](auto field) { f.*field = TrainFlags{}.*field; }, row.field);
  f.given.erase(row.name);
}

// Refuses a flag without what it needs, or resets it, as check_together says.
void settle(const TrainFlag& row, TrainFlags& f) {
  const std::string why = unmet_need(row, f);
  const std::string text = text_of(row, f);
  if (why.empty() || !f.given.contains(row.name) || text == row.off || text == "false") return;
  const bool overruled = std::any_of(row.needs.begin(), row.needs.end(),
                                     [&](const Need& need) { return f.given_here.contains(need.flag); });
  const bool in_config = !f.given_here.contains(row.name) && !f.given_before.contains(row.name);
  if (f.given_here.contains(row.name) || (in_config && !overruled && text != text_of(row, {}))) {
    const bool of_optimizer = row.needs[0].flag == "optimizer";
    throw UsageError("--" + row.name + " " + why +
                     (of_optimizer ? "; others have options of their own, --optimizer NAME:option=value" : ""));
  }
  reset(row, f);
}

}  // namespace

const std::vector<TrainFlag>& train_flag_table() {
  static const std::vector<TrainFlag> rows = make_table();
  return rows;
}

const TrainFlag* find_train_flag(const std::string& name) {
  for (const TrainFlag& row : train_flag_table()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

bool is_about_running(const std::string& flag) {
  const TrainFlag* row = find_train_flag(flag);
  return row != nullptr && row->on_resume == OnResume::change;
}

TrainFlags parse_train_flags(const Arguments& arguments, const Values& before, const CommandOfFlags& command) {
  TrainFlags flags;
  CLI::App app(command.about, command.name);
  command.add_others(app);
  for (const TrainFlag& row : train_flag_table()) declare(app, row, flags, command);
  app.option_defaults()->group(train_flag_table().back().group);  // of --config
  const GivenFlags given = parse(app, arguments, before);
  for (const TrainFlag& row : train_flag_table()) {
    const auto among = [&](const std::set<std::string>& names) {
      return names.contains("--" + row.name) || names.contains("--no-" + row.name);
    };
    if (app.get_option("--" + row.name)->count() > 0) flags.given.insert(row.name);
    if (among(given.here)) flags.given_here.insert(row.name);
    if (!among(given.here) && !among(given.config) && flags.given.contains(row.name))
      flags.given_before.insert(row.name);
  }
  for (const TrainFlag& row : train_flag_table()) {
    if (!command.without.contains(row.name) || !flags.given.contains(row.name)) continue;
    if (flags.given_here.contains(row.name)) {
      const auto advice = command.advice.find(row.name);
      throw UsageError(fmt::format("--{} means nothing to {}; leave it out{} ({} {} --help lists its flags)", row.name,
                                   command.name, advice == command.advice.end() ? "" : ": " + advice->second,
                                   program_invocation_short_name, command.name));
    }
    reset(row, flags);
  }
  if (name_part(flags.optimizer) != "sgd") {
    if (!flags.given.contains("lr")) flags.lr = kOtherLr;
    if (!flags.given.contains("weight-decay")) flags.weight_decay = kOtherWeightDecay;
  }
  for (const TrainFlag& row : train_flag_table()) row.check(flags);
  return flags;
}

void check_together(TrainFlags& f) {
  for (const TrainFlag& row : train_flag_table()) settle(row, f);
  optimizer_of(f);
  model_options(f);
  for (const auto& [flag, on] : {std::pair{"--zero-gamma", f.zero_gamma}, std::pair{"--whiten", f.whiten}}) {
    if (on && !f.init.empty()) throw UsageError(std::string(flag) + " sets first values that --init sets too");
  }
  if (f.cutout > 0 && f.random_erase > 0) throw UsageError("--cutout and --random-erase: give one of them");
  require(f.schedule != "multistep" || !f.milestones.empty(), "milestones",
          "given with --schedule multistep, like 60,90", "none");
  if (f.swa_from > f.epochs) {
    throw UsageError(fmt::format("--swa-from {} is after the last of {} --epochs", f.swa_from, f.epochs));
  }
  if (f.warmup_epochs > 0 && f.warmup_epochs >= static_cast<double>(f.epochs)) {
    throw UsageError(fmt::format("--warmup-epochs {} must be below --epochs {}: the schedule comes after the warmup",
                                 f.warmup_epochs, f.epochs));
  }
}

std::string text_of(const TrainFlag& row, const TrainFlags& flags) {
  return std::visit([&](auto field) { return fmt::format("{}", flags.*field); }, row.field);
}

std::string unmet_need(const TrainFlag& row, const TrainFlags& flags) {
  for (const auto& [flag, values] : row.needs) {
    const std::string value = text_of(*find_train_flag(flag), flags);
    if (values.empty() && !is_on(value)) {
      return "means nothing without --" + flag + (value.empty() ? "" : ", which is " + value);
    }
    if (!values.empty() && std::find(values.begin(), values.end(), name_part(value)) == values.end()) {
      return fmt::format("belongs to --{0} {1}, got --{0} {2}", flag, joined(values, " or "), value);
    }
  }
  return "";
}

Values values_of(const TrainFlags& flags) {
  const NamedOptions options = parse_name_and_options(flags.optimizer).options;
  Values values;
  for (const TrainFlag& row : train_flag_table()) {
    const bool in_optimizer = !row.needs.empty() && row.needs[0].flag == "optimizer" && options.has(row.name);
    values.emplace_back(row.name, in_optimizer || !unmet_need(row, flags).empty() ? "" : text_of(row, flags));
  }
  return values;
}

const std::string& value_of(const Values& values, const std::string& flag) {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& item) { return item.first == flag; });
  if (found == values.end()) throw std::out_of_range("no flag " + flag);
  return found->second;
}

std::string name_part(const std::string& name_and_options) {
  return name_and_options.substr(0, name_and_options.find(':'));
}

std::vector<std::string> list_of(const std::string& text, const std::string& flag, char separator) {
  if (text.empty()) return {};
  std::vector<std::string> items = split(text, separator);
  const bool whole = std::find(items.begin(), items.end(), "") == items.end();
  require(whole, flag, std::string("names with \"") + separator + "\" between them", text);
  return items;
}

}  // namespace striate::cli

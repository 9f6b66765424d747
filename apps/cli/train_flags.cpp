#include "apps/cli/train_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
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

// Of epochs, and of images a batch: more is a typing error.
constexpr std::int64_t kMost = 1000000;

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

const auto kList = [](const std::string& flag, const std::string& value) { list_of(value, flag); };

const auto kDataset = [](const std::string& flag, const std::string& value) {
  if (!value.empty()) one_of(flag, name_part(value), dataset_names());
};

const auto kClasses = [](const std::string& flag, const std::string& value) {
  require(list_of(value, flag).size() != 1, flag, "two names or more", value);
};

struct Rules {
  OnResume on_resume = OnResume::keep;
  const char* only_for = "";
};

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
                    .only_for = rules.only_for});
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
         "A number, dynamic (as PyTorch's GradScaler), or automatic: dynamic for fp16");
  t.flag("conv", &F::conv, read_by(conv_algorithm_of), conv_flag_help());
  t.flag("seed", &F::seed, "Fixes the run, byte for byte");

  t.group("Optimiser");
  t.flag("epochs", &F::epochs, between<std::int64_t>(1, kMost), "Passes over the training set");
  t.flag("batch-size", &F::batch_size, between<std::int64_t>(1, kMost),
         "Images a batch; the last partial batch is kept");
  t.flag("accumulate", &F::accumulate, between<std::int64_t>(1, kMost),
         "Batches an update; all counts of steps are of updates");
  t.flag("optimizer", &F::optimizer, name_of(optimizer_names),
         joined(optimizer_names()) + "; with options as NAME:option=value,option=value");
  t.flag("momentum", &F::momentum, from(0.0), "sgd: momentum", {.only_for = "sgd"});
  t.flag("nesterov", &F::nesterov, "sgd: Nesterov momentum (default on)", {.only_for = "sgd"});
  t.flag("beta1", &F::beta1, kBelow1, "adamw: decay of the gradient's average", {.only_for = "adamw"});
  t.flag("beta2", &F::beta2, kBelow1, "adamw: decay of the squared gradient's average", {.only_for = "adamw"});
  t.flag("eps", &F::eps, from(0.0), "adamw: added to the denominator", {.only_for = "adamw"});
  t.flag("weight-decay", &F::weight_decay, from(0.0),
         fmt::format("sgd: L2 penalty; adamw: decoupled. Default of optimizers other than sgd: {}", kOtherWeightDecay));
  t.flag("no-bias-decay", &F::no_bias_decay, "Weight decay on conv and linear weights only");
  t.flag("clip-norm", &F::clip_norm, from(0.0), "Clip the gradient's total L2 norm; 0: off");

  t.group("Learning rate");
  t.flag("lr", &F::lr, from(0.0),
         fmt::format("The schedule's highest learning rate. Default of optimizers other than sgd: {}", kOtherLr));
  t.flag("base-batch-size", &F::base_batch_size, between<std::int64_t>(0, kMost),
         "Rates are for updates of so many images: they grow by an update's images / base-batch-size; 0: off");
  t.flag("head-lr", &F::head_lr, from(0.0), "The classifier's highest rate; 0: as --lr");
  t.flag("norm-lr-scale", &F::norm_lr_scale, from(0.0), "Factor on the rate of the norms' scales and shifts");
  t.flag("schedule", &F::schedule, name_of(schedule_names), joined(schedule_names()));
  t.flag("warmup-epochs", &F::warmup_epochs, between<double>(0, kMost), "Epochs of linear warmup from 0");
  t.flag("step-size", &F::step_size, from<std::int64_t>(1), "schedule step: epochs between drops");
  t.flag("gamma", &F::gamma, kAbove0, "schedules step, multistep, exponential: factor of a drop");
  t.flag("milestones", &F::milestones, read_by(milestones_of), "schedule multistep: epochs of the drops, \"60,90\"");
  t.flag("power", &F::power, kAbove0, "schedule poly: the exponent");

  t.group("Data");
  t.flag("data", &F::data, "The data set's folder or file (striate verify --help lists what is known)",
         {.on_resume = OnResume::change});
  t.flag("dataset", &F::dataset, kDataset,
         joined(dataset_names()) + "; with options as NAME:option=value. Default: what --data looks like");
  t.flag("classes", &F::classes, kClasses, "Only these, in this order: \"cat,dog\"");
  t.flag("per-class", &F::per_class, from<std::int64_t>(0),
         "Only the first so many training images of each class; 0: all");
  t.flag("no-shuffle", &F::no_shuffle, "Take images in the files' order");
  t.flag("transform", &F::transform, read_by(transforms_of),
         joined(transform_names()) + "; with options, one after the other: \"NAME:option=value;NAME\"");
  t.flag("augment", &F::augment, any_of({"standard", "none"}), "standard (crop with padding 4, and flip) or none");
  t.flag("pad", &F::pad, any_of({"zero", "reflect"}),
         "augment standard: what a crop finds outside the image, zero or reflect");
  t.flag("flip", &F::flip, any_of({"none", "random", "alternating"}),
         "augment standard: random, alternating (by epoch) or none");
  t.flag("cutout", &F::cutout, from<std::int64_t>(0), "Side of a square set to zero; 0: off");
  t.flag("mixup", &F::mixup, from(0.0), "lambda from Beta(A, A) for this A; 0: off");
  t.flag("cutmix", &F::cutmix, from(0.0),
         "lambda from Beta(A, A) for this A; with --mixup each batch gets one of them; 0: off");

  t.group("Loss");
  t.flag("label-smoothing", &F::label_smoothing, between(0.0, 1.0), "Share E of the target spread over the classes");
  t.flag("label-smoothing-form", &F::label_smoothing_form, any_of({"pytorch", "paper"}),
         "pytorch (E/K to each of K) or paper (E/(K-1) to the others)");
  t.flag("teacher", &F::teacher, "Add distillation from the model of this file of weights",
         {.on_resume = OnResume::move});
  t.flag("temperature", &F::temperature, kAbove0, "T, of teacher and student in distillation");
  t.flag("distill-weight", &F::distill_weight, kAbove0, "A in loss + A * T^2 * cross entropy with the teacher");

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
  t.flag("resume", &F::resume,
         "Resume from the checkpoint in --out, with its flags; the result is that of an uninterrupted run", free);
  return std::move(t.rows);
}

void declare(CLI::App& app, const TrainFlag& row, TrainFlags& flags) {
  const std::string dashed = "--" + row.name;
  app.option_defaults()->group(row.group);
  std::visit(
      [&](auto field) {
        auto& value = flags.*field;
        if constexpr (std::is_same_v<decltype(field), bool TrainFlags::*>) {
          app.add_flag(value ? dashed + ",!--no-" + row.name : dashed, value, row.help);
        } else if constexpr (std::is_same_v<decltype(field), std::string TrainFlags::*>) {
          CLI::Option* option = app.add_option(dashed, value, row.help);
          if (!value.empty()) option->capture_default_str();
        } else {
          app.add_option(dashed, value, row.help)->capture_default_str();
        }
      },
      row.field);
}

// Flags that say something only about what another one turns on.
void refuse_unless(bool on, bool changed, const std::string& flag, const std::string& needed) {
  if (changed && !on) throw UsageError("--" + flag + " means nothing without " + needed);
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

TrainFlags parse_train_flags(const Arguments& arguments) {
  TrainFlags flags;
  CLI::App app("Trains a model on a data set.", "train");
  for (const TrainFlag& row : train_flag_table()) declare(app, row, flags);
  parse(app, arguments);
  for (const TrainFlag& row : train_flag_table()) {
    if (app.get_option("--" + row.name)->count() > 0) flags.given.insert(row.name);
  }
  if (name_part(flags.optimizer) != "sgd") {
    if (!flags.given.contains("lr")) flags.lr = kOtherLr;
    if (!flags.given.contains("weight-decay")) flags.weight_decay = kOtherWeightDecay;
  }
  for (const TrainFlag& row : train_flag_table()) row.check(flags);
  return flags;
}

TrainFlags parse_train_flags(const Values& values) {
  Arguments arguments;
  for (const auto& [name, value] : values) arguments.push_back("--" + name + "=" + value);
  return parse_train_flags(arguments);
}

void check_together(const TrainFlags& f) {
  const TrainFlags defaults;
  for (const TrainFlag& row : train_flag_table()) {
    if (row.only_for.empty() || row.only_for == name_part(f.optimizer) || !f.given.contains(row.name)) continue;
    throw UsageError(
        fmt::format("--{0} belongs to --optimizer {1}, got --optimizer {2}; leave --{0} out, or give "
                    "{3} options of its own as --optimizer {3}:option=value",
                    row.name, row.only_for, f.optimizer, name_part(f.optimizer)));
  }
  optimizer_of(f);
  model_options(f);
  for (const auto& [flag, on] : {std::pair{"--zero-gamma", f.zero_gamma}, std::pair{"--whiten", f.whiten}}) {
    if (on && !f.init.empty()) throw UsageError(std::string(flag) + " sets first values that --init sets too");
  }
  refuse_unless(f.lr > 0, f.head_lr > 0, "head-lr", "an --lr above 0; to train the head alone, --freeze the rest");
  require(f.schedule != "multistep" || !f.milestones.empty(), "milestones",
          "given with --schedule multistep, like 60,90", "none");
  const bool standard = f.augment == "standard";
  refuse_unless(standard, f.pad == "reflect", "pad reflect", "--augment standard");
  refuse_unless(standard, f.flip == "alternating", "flip alternating", "--augment standard");
  refuse_unless(f.label_smoothing > 0, f.label_smoothing_form == "paper", "label-smoothing-form paper",
                "--label-smoothing");
  refuse_unless(!f.teacher.empty(), f.temperature != defaults.temperature, "temperature", "--teacher");
  refuse_unless(!f.teacher.empty(), f.distill_weight != defaults.distill_weight, "distill-weight", "--teacher");
  if (f.swa_from > f.epochs) {
    throw UsageError(fmt::format("--swa-from {} is after the last of {} --epochs", f.swa_from, f.epochs));
  }
}

Values values_of(const TrainFlags& flags) {
  const NameAndOptions optimizer = parse_name_and_options(flags.optimizer);
  Values values;
  for (const TrainFlag& row : train_flag_table()) {
    const bool applies = row.only_for.empty() || (row.only_for == optimizer.name && !optimizer.options.has(row.name));
    const std::string text = std::visit([&](auto field) { return fmt::format("{}", flags.*field); }, row.field);
    values.emplace_back(row.name, applies ? text : "");
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

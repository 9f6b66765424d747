#include "apps/train_options.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "apps/command_line.h"
#include "apps/conv_flag.h"
#include "core/nearest_name.h"

namespace striate::apps {
namespace {

// Of epochs, and of images a batch: more is a slip of the hand.
constexpr std::int64_t kMost = 1000000;

void add_model_flags(CLI::App& app, TrainOptions& o) {
  app.add_option("--model", o.model, "Model by name")->capture_default_str();
  app.add_option("--width-multiplier", o.width_multiplier, "Factor on all channel counts")->capture_default_str();
  app.add_option("--dropout", o.dropout, "Probability before the last layer")->capture_default_str();
  app.add_option("--init", o.init, "Start from these weights (safetensors, F32 or F64)")->type_name("WEIGHTS");
  app.add_option("--precision", o.precision, "fp32, bf16 or fp64")->capture_default_str();
  add_conv_flag(app, o.conv);
  app.add_option("--seed", o.seed, "Fixes the run, byte for byte")->capture_default_str();
}

void add_optimiser_flags(CLI::App& app, TrainOptions& o) {
  app.add_option("--epochs", o.epochs, "Passes over the training set")->capture_default_str();
  app.add_option("--batch-size", o.batch_size, "Images a step; the last partial batch is kept")->capture_default_str();
  app.add_option("--lr", o.lr, "The schedule's highest learning rate")->capture_default_str();
  app.add_option("--momentum", o.momentum, "SGD momentum")->capture_default_str();
  app.add_option("--weight-decay", o.weight_decay, "L2 penalty, as PyTorch's SGD")->capture_default_str();
  app.add_flag("--nesterov,!--no-nesterov", o.nesterov, "Nesterov momentum (default on)")->default_str("true");
  app.add_flag("--no-bias-decay", o.no_bias_decay, "Weight decay on conv and linear weights only");
  app.add_option("--clip-norm", o.clip_norm, "Clip the gradient's total L2 norm; 0: off")->capture_default_str();
  app.add_option("--schedule", o.schedule, "cosine, step, multistep, exponential, poly, onecycle or constant")
      ->capture_default_str();
  app.add_option("--warmup-epochs", o.warmup_epochs, "Epochs of linear warmup from 0")->capture_default_str();
  app.add_option("--step-size", o.step_size, "schedule step: epochs between drops")->capture_default_str();
  app.add_option("--gamma", o.gamma, "schedules step, multistep, exponential: factor of a drop")->capture_default_str();
  app.add_option("--milestones", o.milestones, "schedule multistep: epochs of the drops, \"60,90\"");
  app.add_option("--power", o.power, "schedule poly: the exponent")->capture_default_str();
}

void add_data_flags(CLI::App& app, TrainOptions& o) {
  app.add_option("--data", o.data, "CIFAR-10's binary files, or a folder with train/CLASS/IMAGE and test/CLASS/IMAGE");
  app.add_option("--label-smoothing", o.label_smoothing, "Share of the target spread over all classes")
      ->capture_default_str();
  app.add_option("--mixup", o.mixup, "lambda from Beta(A, A); 0: off")->type_name("A")->capture_default_str();
  app.add_option("--augment", o.augment, "standard (crop with zero padding 4, flip) or none")->capture_default_str();
  app.add_option("--cutout", o.cutout, "Side of a square set to zero; 0: off")->capture_default_str();
  app.add_flag("--no-shuffle", o.no_shuffle, "Take images in the files' order");
}

void add_run_flags(CLI::App& app, TrainOptions& o) {
  app.add_option("--out", o.out, "Folder of the run (default runs/MODEL)");
  add_threads_flag(app, o.threads);
  app.add_option("--workers", o.workers, "Threads that prepare batches; 0: none")->capture_default_str();
  app.add_option("--max-steps", o.max_steps, "Stop after so many steps of the run; 0: at its end")
      ->capture_default_str();
  app.add_option("--checkpoint-minutes", o.checkpoint_minutes, "Save within an epoch that often")
      ->capture_default_str();
  app.add_flag("--resume", o.resume,
               "Go on from the checkpoint in --out, with its flags; what the interrupted run would have given");
}

template <class T>
void at_least(const std::string& flag, T value, T least) {
  require(std::isfinite(static_cast<double>(value)) && value >= least, flag, fmt::format("{} or more", least),
          fmt::format("{}", value));
}

template <class T>
void within(const std::string& flag, T value, T least, T most) {
  require(value >= least && value <= most, flag, fmt::format("from {} to {}", least, most), fmt::format("{}", value));
}

std::vector<std::int64_t> parse_milestones(const std::string& text) {
  std::vector<std::int64_t> epochs;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) {
    std::int64_t epoch = 0;
    require(CLI::detail::lexical_cast(item, epoch) && epoch >= 0, "milestones", "epochs like 60,90", text);
    epochs.push_back(epoch);
  }
  return epochs;
}

ScheduleKind kind_of(const std::string& name) {
  const std::vector<std::string> names = {"cosine", "step", "multistep", "exponential", "poly", "onecycle", "constant"};
  if (std::find(names.begin(), names.end(), name) != names.end()) return schedule_kind(name);
  throw UsageError("--schedule is cosine, step, multistep, exponential, poly, onecycle or constant, got " + name +
                   "; did you mean " + nearest_name(name, names) + "?");
}

// As the schedule itself would say it, but before anything has been read or written.
void check_schedule(const TrainOptions& o) {
  at_least<std::int64_t>("step-size", o.step_size, 1);
  require(o.gamma > 0 && std::isfinite(o.gamma), "gamma", "more than 0", fmt::format("{}", o.gamma));
  require(o.power > 0 && std::isfinite(o.power), "power", "more than 0", fmt::format("{}", o.power));
  require(kind_of(o.schedule) != ScheduleKind::multistep || !o.milestones.empty(), "milestones",
          "given with --schedule multistep, like 60,90", "none");
  learning_rate(schedule_of(o, 1), 1);
}

}  // namespace

void add_train_flags(CLI::App& app, TrainOptions& options) {
  add_model_flags(app, options);
  add_optimiser_flags(app, options);
  add_data_flags(app, options);
  add_run_flags(app, options);
}

bool may_change_on_resume(const std::string& flag) {
  const std::vector<std::string> free = {"data",  "out", "threads", "workers", "max-steps", "checkpoint-minutes",
                                         "resume"};
  return std::find(free.begin(), free.end(), flag) != free.end();
}

void check_train_options(const TrainOptions& o) {
  precision_of(o.precision);
  conv_algorithm_of(o.conv);
  within<std::int64_t>("epochs", o.epochs, 1, kMost);
  within<std::int64_t>("batch-size", o.batch_size, 1, kMost);
  at_least("lr", o.lr, 0.0);
  at_least("momentum", o.momentum, 0.0);
  at_least("weight-decay", o.weight_decay, 0.0);
  within<double>("warmup-epochs", o.warmup_epochs, 0, kMost);
  at_least("mixup", o.mixup, 0.0);
  at_least("clip-norm", o.clip_norm, 0.0);
  at_least<std::int64_t>("cutout", o.cutout, 0);
  at_least<std::int64_t>("max-steps", o.max_steps, 0);
  within("workers", o.workers, 0, 256);
  at_least("checkpoint-minutes", o.checkpoint_minutes, 0.0);
  within<double>("label-smoothing", o.label_smoothing, 0, 1);
  within<double>("dropout", o.dropout, 0, 1);
  require(o.width_multiplier > 0 && std::isfinite(o.width_multiplier), "width-multiplier", "more than 0",
          std::to_string(o.width_multiplier));
  require(o.augment == "standard" || o.augment == "none", "augment", "standard or none", o.augment);
  check_schedule(o);
}

ScheduleOptions schedule_of(const TrainOptions& o, std::int64_t steps_per_epoch) {
  ScheduleOptions schedule;
  schedule.kind = kind_of(o.schedule);
  schedule.lr = o.lr;
  schedule.total_steps = o.epochs * steps_per_epoch;
  schedule.steps_per_epoch = steps_per_epoch;
  schedule.warmup_steps = std::llround(o.warmup_epochs * static_cast<double>(steps_per_epoch));
  schedule.step_size = o.step_size;
  schedule.gamma = o.gamma;
  schedule.milestones = parse_milestones(o.milestones);
  schedule.power = o.power;
  return schedule;
}

}  // namespace striate::apps

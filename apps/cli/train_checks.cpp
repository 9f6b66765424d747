#include <cmath>

#include "apps/cli/command_line.h"
#include "apps/cli/conv_flag.h"
#include "apps/cli/loss_scale.h"
#include "apps/cli/train_options.h"
#include "apps/cli/train_parts.h"

namespace striate::cli {
namespace {

// Of epochs, and of images a batch: more is a slip of the hand.
constexpr std::int64_t kMost = 1000000;

void more_than_0(const std::string& flag, double value) {
  require(value > 0 && std::isfinite(value), flag, "more than 0", fmt::format("{}", value));
}

// Flags that say something only about what another one turns on.
void refuse_unless(bool on, bool changed, const std::string& flag, const std::string& needed) {
  if (changed && !on) throw UsageError("--" + flag + " means nothing without " + needed);
}

void check_model(const TrainOptions& o) {
  precision_of(o.precision);
  conv_algorithm_of(o.conv);
  loss_scale_of(o.loss_scale, o.precision);
  more_than_0("width-multiplier", o.width_multiplier);
  within("dropout", o.dropout, 0, 1);
  for (const auto& [flag, on] : {std::pair{"--zero-gamma", o.zero_gamma}, std::pair{"--whiten", o.whiten}}) {
    if (on && !o.init.empty()) throw UsageError(std::string(flag) + " sets first values that --init sets too");
  }
}

void check_optimiser(const TrainOptions& o) {
  within("epochs", o.epochs, 1, kMost);
  within("batch-size", o.batch_size, 1, kMost);
  within("accumulate", o.accumulate, 1, kMost);
  at_least("momentum", o.momentum, 0);
  at_least("weight-decay", o.weight_decay, 0);
  at_least("clip-norm", o.clip_norm, 0);
}

// As the schedule itself would say it, but before anything has been read or written.
void check_rate(const TrainOptions& o) {
  at_least("lr", o.lr, 0);
  within("base-batch-size", o.base_batch_size, 0, kMost);
  at_least("head-lr", o.head_lr, 0);
  refuse_unless(o.lr > 0, o.head_lr > 0, "head-lr", "an --lr above 0; to train the head alone, --freeze the rest");
  at_least("norm-lr-scale", o.norm_lr_scale, 0);
  one_of("schedule", o.schedule, schedule_names());
  within("warmup-epochs", o.warmup_epochs, 0, kMost);
  at_least("step-size", o.step_size, 1);
  more_than_0("gamma", o.gamma);
  more_than_0("power", o.power);
  require(o.schedule != "multistep" || !o.milestones.empty(), "milestones",
          "given with --schedule multistep, like 60,90", "none");
  learning_rate(schedule_of(o, 1), 1);
}

void check_data(const TrainOptions& o) {
  const auto names = comma_list(o.classes, "classes");
  require(names.size() != 1, "classes", "two names or more", o.classes);
  at_least("per-class", o.per_class, 0);
  one_of("augment", o.augment, {"standard", "none"});
  one_of("pad", o.pad, {"zero", "reflect"});
  one_of("flip", o.flip, {"none", "random", "alternating"});
  const bool standard = o.augment == "standard";
  refuse_unless(standard, o.pad == "reflect", "pad reflect", "--augment standard");
  refuse_unless(standard, o.flip == "alternating", "flip alternating", "--augment standard");
  at_least("cutout", o.cutout, 0);
  at_least("mixup", o.mixup, 0);
  at_least("cutmix", o.cutmix, 0);
}

void check_loss(const TrainOptions& o) {
  const TrainOptions defaults;
  within("label-smoothing", o.label_smoothing, 0, 1);
  one_of("label-smoothing-form", o.label_smoothing_form, {"pytorch", "paper"});
  refuse_unless(o.label_smoothing > 0, o.label_smoothing_form == "paper", "label-smoothing-form paper",
                "--label-smoothing");
  more_than_0("temperature", o.temperature);
  more_than_0("distill-weight", o.distill_weight);
  const bool distils = !o.teacher.empty();
  refuse_unless(distils, o.temperature != defaults.temperature, "temperature", "--teacher");
  refuse_unless(distils, o.distill_weight != defaults.distill_weight, "distill-weight", "--teacher");
}

void check_averages(const TrainOptions& o) {
  require(o.ema >= 0 && o.ema < 1, "ema", "0 or more and below 1", fmt::format("{}", o.ema));
  at_least("swa-from", o.swa_from, 0);
  if (o.swa_from > o.epochs) {
    throw UsageError(fmt::format("--swa-from {} is after the last of {} --epochs", o.swa_from, o.epochs));
  }
}

}  // namespace

void check_train_options(const TrainOptions& options) {
  check_model(options);
  check_optimiser(options);
  check_rate(options);
  check_data(options);
  check_loss(options);
  comma_list(options.freeze, "freeze");
  check_averages(options);
  at_least("max-steps", options.max_steps, 0);
  within("workers", options.workers, 0, 256);
  at_least("checkpoint-minutes", options.checkpoint_minutes, 0);
}

}  // namespace striate::cli

#include "apps/cli/train_parts.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "apps/cli/command_line.h"
#include "data/subset.h"
#include "data/whitening.h"
#include "models/registry.h"
#include "optim/groups.h"
#include "optim/sgd.h"

namespace striate::cli {
namespace {

// What the parts refuse, as the flag's error.
template <class F>
auto in_flag(const std::string& flag, F f) {
  try {
    return f();
  } catch (const std::invalid_argument& error) {
    throw UsageError("--" + flag + ": " + error.what());
  }
}

// (R,S,C,K) of the images, as every convolutional model's first.
void whiten(Module& model, const Dataset& train) {
  for (const NamedTensor& parameter : model.parameters()) {
    if (parameter.value.rank() == 4) return whiten_(parameter.value, train);
  }
  throw UsageError("--whiten needs a model that begins with a convolution");
}

// A rate of its own that no parameter would get is a slip.
void expect_other_rates(const Module& model, const GroupOptions& groups, const std::string& flag,
                        const std::string& whom) {
  const auto made = make_groups(model, groups);
  const bool any =
      std::any_of(made.begin(), made.end(), [](const ParameterGroup& group) { return group.lr_scale != 1; });
  if (!any) throw UsageError("--" + flag + " needs a model with " + whom + ", and not all of it under --freeze");
}

// What differs from the defaults, so that models without such an option can be trained too.
NamedOptions model_options(const TrainOptions& options) {
  NamedOptions named;
  if (options.width_multiplier != 1) named.set("width_multiplier", options.width_multiplier);
  if (options.dropout != 0) named.set("dropout", options.dropout);
  if (options.zero_gamma) named.set("zero_gamma", true);
  return named;
}

}  // namespace

Dataset chosen_data(const TrainOptions& options, Dataset dataset, Split split) {
  if (!options.classes.empty()) {
    dataset = in_flag("classes", [&] { return choose_classes(dataset, comma_list(options.classes, "classes")); });
  }
  if (split == Split::train && options.per_class > 0) dataset = first_per_class(dataset, options.per_class);
  return dataset;
}

LoaderOptions loader_options(const TrainOptions& options) {
  LoaderOptions loader;
  loader.batch_size = options.batch_size;
  loader.shuffle = !options.no_shuffle;
  loader.seed = options.seed;
  if (options.augment == "standard") {
    loader.augment = AugmentOptions::standard();
    if (options.pad == "reflect") loader.augment.pad_mode = PadMode::reflect;
    if (options.flip == "none") loader.augment.flip = FlipMode::none;
    if (options.flip == "alternating") loader.augment.flip = FlipMode::alternating;
  }
  loader.augment.cutout = options.cutout;
  loader.mixup = options.mixup;
  loader.cutmix = options.cutmix;
  loader.dtype = precision_of(options.precision).parameters;
  loader.workers = options.workers;
  return loader;
}

std::vector<std::int64_t> milestones_of(const std::string& text) {
  std::vector<std::int64_t> epochs;
  for (const std::string& item : comma_list(text, "milestones")) {
    std::int64_t epoch = 0;
    require(CLI::detail::lexical_cast(item, epoch) && epoch >= 0, "milestones", "epochs like 60,90", text);
    epochs.push_back(epoch);
  }
  return epochs;
}

ScheduleOptions schedule_of(const TrainOptions& o, std::int64_t images) {
  const std::int64_t update = std::min(o.batch_size * o.accumulate, images);
  const std::int64_t steps_per_epoch = (images + update - 1) / update;
  ScheduleOptions schedule;
  schedule.kind = o.schedule;
  schedule.lr = o.lr;
  if (o.base_batch_size > 0) {
    schedule.lr *= static_cast<double>(update) / static_cast<double>(o.base_batch_size);
  }
  schedule.total_steps = o.epochs * steps_per_epoch;
  schedule.steps_per_epoch = steps_per_epoch;
  schedule.warmup_steps = std::llround(o.warmup_epochs * static_cast<double>(steps_per_epoch));
  schedule.step_size = o.step_size;
  schedule.gamma = o.gamma;
  schedule.milestones = milestones_of(o.milestones);
  schedule.power = o.power;
  return schedule;
}

ModelCard card_of(const TrainOptions& options, const Dataset& dataset) {
  const NameAndOptions named = parse_name_and_options(options.model);
  return {.model = named.name,
          .options = named.options.with_defaults(model_options(options)),
          .class_names = dataset.class_names,
          .precision = options.precision,
          .channels = dataset.channels(),
          .height = dataset.images.size(1),
          .width = dataset.images.size(2),
          .normalization = dataset.normalization};
}

StartingModel build_model(const TrainOptions& options, const Dataset& train) {
  const auto make = [&] {
    return make_model(options.model, {.classes = train.classes(),
                                      .in_channels = train.channels(),
                                      .height = train.images.size(1),
                                      .width = train.images.size(2),
                                      .options = model_options(options)});
  };
  StartingModel start;
  start.model = in_flag(options.zero_gamma ? "zero-gamma" : "model", make);
  start.model->to(precision_of(options.precision).parameters);
  if (!options.init.empty()) start.skipped_head = init_from(options.init, *start.model, train.class_names);
  if (options.whiten) in_flag("whiten", [&] { whiten(*start.model, train); });
  return start;
}

void set_training(const TrainOptions& options, Module& model) {
  model.train();
  set_frozen(model, comma_list(options.freeze, "freeze"));
}

std::unique_ptr<Optimizer> build_optimizer(const TrainOptions& options, Module& model) {
  const GroupOptions plain{.lr = options.lr,
                           .weight_decay = options.weight_decay,
                           .no_bias_decay = options.no_bias_decay,
                           .frozen = comma_list(options.freeze, "freeze")};
  in_flag("freeze", [&] {
    set_frozen(model, plain.frozen);
    return make_groups(model, plain);
  });
  GroupOptions groups = plain;
  if (options.head_lr > 0 && options.head_lr != options.lr) {
    groups.head = model.head();
    groups.head_lr_scale = options.head_lr / options.lr;
    expect_other_rates(model, groups, "head-lr", "a head");
  }
  if (options.norm_lr_scale != 1) {
    GroupOptions norms = plain;
    norms.norm_lr_scale = options.norm_lr_scale;
    expect_other_rates(model, norms, "norm-lr-scale", "norms");
    groups.norm_lr_scale = options.norm_lr_scale;
  }
  const SgdOptions sgd{.momentum = options.momentum, .nesterov = options.nesterov && options.momentum > 0};
  return std::make_unique<Sgd>(make_groups(model, groups), sgd);
}

}  // namespace striate::cli

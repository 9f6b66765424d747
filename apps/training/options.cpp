#include "apps/training/options.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "core/text.h"

namespace striate {

ScheduleOptions schedule_in_steps(const TrainerOptions& options, std::int64_t images) {
  const std::int64_t in_step = std::min(std::min(options.loader.batch_size, images) * options.accumulate, images);
  const std::int64_t steps = (images + in_step - 1) / in_step;
  ScheduleOptions schedule = options.schedule;
  if (options.base_batch_size > 0) {
    schedule.lr *= static_cast<double>(in_step) / static_cast<double>(options.base_batch_size);
  }
  schedule.total_steps = options.epochs * steps;
  schedule.steps_per_epoch = steps;
  schedule.warmup_steps = std::llround(options.warmup_epochs * static_cast<double>(steps));
  return schedule;
}

Tensor balanced_class_weights(const Dataset& dataset, double power) {
  const std::vector<std::int64_t> counts = class_counts(dataset);
  std::vector<std::int64_t> present = counts;
  std::erase(present, 0);
  std::sort(present.begin(), present.end());
  std::vector<double> weights(counts.size(), 1);
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) continue;
    const std::int64_t twice = present[present.size() / 2] + present[(present.size() - 1) / 2];
    weights[c] = std::pow(static_cast<double>(twice) / static_cast<double>(2 * counts[c]), power);
  }
  return Tensor::from({dataset.classes()}, weights);
}

std::string result_options(const TrainerOptions& o) {
  std::ostringstream text;
  text.precision(17);
  const auto line = [&](const char* name, const auto&... values) {
    text << name << ':';
    ((text << ' ' << values), ...);
    text << '\n';
  };
  const LoaderOptions& l = o.loader;
  line("epochs", o.epochs);
  if (o.patience > 0) line("patience", o.patience);
  line("batch_size", l.batch_size, o.accumulate, l.shuffle, l.drop_last, l.seed);
  line("augment", l.augment.crop_padding, int(l.augment.pad_mode), int(l.augment.flip), l.augment.cutout);
  if (l.augment.erasing > 0) {
    const RectangleRange& range = l.augment.erasing_range;
    line("erasing", l.augment.erasing, range.scale_min, range.scale_max, range.ratio_min, range.ratio_max);
  }
  for (const auto& transform : l.transforms) line("transform", transform->description());
  line("mixup, cutmix", l.mixup, l.cutmix);
  line("label_smoothing", o.objective.label_smoothing, int(o.objective.smoothing_form));
  if (o.objective.class_weights.defined()) {
    for (const double weight : o.objective.class_weights.to_vector()) line("class weight", weight);
  }
  line("distillation", o.objective.distillation.temperature, o.objective.distillation.weight);
  line("weight_decay", o.groups.weight_decay, o.groups.no_bias_decay);
  line("frozen", joined(o.groups.frozen));
  line("lr scales", o.groups.head, o.groups.head_lr_scale, o.groups.norm_lr_scale);
  line("clip_norm", o.clip_norm);
  line("averages", o.averages.ema_decay, o.averages.swa_from);
  const ScheduleOptions& s = o.schedule;
  line("schedule", s.kind, s.lr, s.step_size, s.gamma, s.power, s.pct_start, s.div_factor, s.final_div_factor,
       s.min_lr);
  for (const std::int64_t milestone : s.milestones) line("milestone", milestone);
  line("warmup_epochs, base_batch_size", o.warmup_epochs, o.base_batch_size);
  line("precision", to_string(o.precision));
  if (o.loss_scale) line("loss_scale", o.loss_scale->init_scale, o.loss_scale->dynamic);
  return text.str();
}

}  // namespace striate

#include "optim/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "core/joined.h"

namespace striate {

namespace {

/// In the order of ScheduleKind.
constexpr std::array<const char*, 7> kind_names{"constant", "step",   "multistep", "exponential",
                                                "poly",     "cosine", "onecycle"};

void expect(bool holds, const std::string& expected, double got) {
  if (holds) return;
  throw std::invalid_argument("[schedule] expected " + expected + ", got " + std::to_string(got));
}

bool by_epoch(ScheduleKind kind) {
  return kind == ScheduleKind::step || kind == ScheduleKind::multistep || kind == ScheduleKind::exponential;
}

void check(const ScheduleOptions& options, std::int64_t step) {
  expect(step >= 1, "a step of 1 or more", static_cast<double>(step));
  expect(std::isfinite(options.lr) && options.lr >= 0, "lr >= 0", options.lr);
  expect(options.warmup_steps >= 0, "warmup_steps >= 0", static_cast<double>(options.warmup_steps));
  expect(options.min_lr >= 0 && options.min_lr <= options.lr, "min_lr within 0 and lr", options.min_lr);
  if (by_epoch(options.kind)) {
    expect(options.steps_per_epoch >= 1, "steps_per_epoch >= 1", static_cast<double>(options.steps_per_epoch));
    expect(options.step_size >= 1, "step_size >= 1", static_cast<double>(options.step_size));
    expect(std::isfinite(options.gamma) && options.gamma > 0, "gamma > 0", options.gamma);
  } else if (options.kind != ScheduleKind::constant) {
    expect(options.total_steps >= 1, "total_steps >= 1", static_cast<double>(options.total_steps));
    expect(std::isfinite(options.power) && options.power > 0, "power > 0", options.power);
    expect(options.pct_start >= 0 && options.pct_start <= 1, "pct_start within 0 and 1", options.pct_start);
    expect(options.div_factor > 0, "div_factor > 0", options.div_factor);
    expect(options.final_div_factor > 0, "final_div_factor > 0", options.final_div_factor);
  }
}

/// How often the rate was multiplied by gamma before this epoch.
std::int64_t drops(const ScheduleOptions& options, std::int64_t epoch) {
  switch (options.kind) {
    case ScheduleKind::step:
      return epoch / options.step_size;
    case ScheduleKind::multistep:
      return std::count_if(options.milestones.begin(), options.milestones.end(),
                           [epoch](std::int64_t milestone) { return milestone <= epoch; });
    default:
      return epoch;
  }
}

double cosine_between(double from, double to, double share) {
  return to + (from - to) / 2 * (std::cos(std::numbers::pi * share) + 1);
}

/// `index` counts from 0 to steps - 1.
double onecycle(const ScheduleOptions& options, std::int64_t index, std::int64_t steps) {
  const double first = options.lr / options.div_factor;
  const double last = first / options.final_div_factor;
  const auto at = static_cast<double>(index);
  const double peak = options.pct_start * static_cast<double>(steps) - 1;
  const auto end = static_cast<double>(steps - 1);
  if (at <= peak) return cosine_between(first, options.lr, peak > 0 ? at / peak : 1);
  return cosine_between(options.lr, last, (at - peak) / (end - peak));
}

}  // namespace

ScheduleKind schedule_kind(const std::string& name) {
  const auto* const found = std::find(kind_names.begin(), kind_names.end(), name);
  if (found != kind_names.end()) return static_cast<ScheduleKind>(found - kind_names.begin());
  throw std::invalid_argument("[schedule] expected one of " + joined(kind_names) + ", got \"" + name + "\"");
}

std::string to_string(ScheduleKind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

double learning_rate(const ScheduleOptions& options, std::int64_t step) {
  check(options, step);
  const bool cycle = options.kind == ScheduleKind::onecycle;
  if (step <= options.warmup_steps) {
    const double share = static_cast<double>(step) / static_cast<double>(options.warmup_steps);
    return (cycle ? options.lr / options.div_factor : options.lr) * share;
  }
  if (options.kind == ScheduleKind::constant) return options.lr;
  if (by_epoch(options.kind)) {
    const std::int64_t epoch = (step - 1) / options.steps_per_epoch;
    const auto count = static_cast<double>(drops(options, epoch));
    return std::max(options.min_lr, options.lr * std::pow(options.gamma, count));
  }
  const std::int64_t steps = std::max<std::int64_t>(options.total_steps - options.warmup_steps, 1);
  const std::int64_t k = std::min(step - options.warmup_steps, steps);
  if (cycle) return onecycle(options, k - 1, steps);
  const double range = options.lr - options.min_lr;
  if (options.kind == ScheduleKind::poly) {
    const double share = static_cast<double>(k) / static_cast<double>(steps);
    return options.min_lr + range * std::pow(1 - share, options.power);
  }
  const double angle = std::numbers::pi * static_cast<double>(k) / static_cast<double>(steps);
  return options.min_lr + range * (0.5 * (1 + std::cos(angle)));
}

}  // namespace striate

#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"
#include "core/registry.h"

namespace striate {

namespace {

/// Where a step lies, warmup over; as the formulas of schedule.h have it.
struct Place {
  std::int64_t epoch;  ///< e
  std::int64_t k;
  std::int64_t steps;  ///< T
};

double share(const Place& at) { return static_cast<double>(at.k) / static_cast<double>(at.steps); }

double dropped(const ScheduleOptions& o, std::int64_t drops) {
  return std::max(o.min_lr, o.lr * std::pow(o.gamma, static_cast<double>(drops)));
}

double cosine_between(double from, double to, double share) {
  return to + (from - to) / 2 * (std::cos(std::numbers::pi * share) + 1);
}

double full_rate(const ScheduleOptions& o) { return o.lr; }
double first_of_onecycle(const ScheduleOptions& o) { return o.lr / o.div_factor; }

double constant(const ScheduleOptions& o, const Place& /*at*/) { return o.lr; }
double step(const ScheduleOptions& o, const Place& at) { return dropped(o, at.epoch / o.step_size); }
double multistep(const ScheduleOptions& o, const Place& at) {
  return dropped(o, std::count_if(o.milestones.begin(), o.milestones.end(),
                                  [&](std::int64_t milestone) { return milestone <= at.epoch; }));
}
double exponential(const ScheduleOptions& o, const Place& at) { return dropped(o, at.epoch); }
double poly(const ScheduleOptions& o, const Place& at) {
  return o.min_lr + (o.lr - o.min_lr) * std::pow(1 - share(at), o.power);
}
double cosine(const ScheduleOptions& o, const Place& at) {
  const double angle = std::numbers::pi * static_cast<double>(at.k) / static_cast<double>(at.steps);
  return o.min_lr + (o.lr - o.min_lr) * (0.5 * (1 + std::cos(angle)));
}
double onecycle(const ScheduleOptions& o, const Place& at) {
  const double first = first_of_onecycle(o);
  const auto call = static_cast<double>(at.k - 1);
  const double peak = o.pct_start * static_cast<double>(at.steps) - 1;
  const auto end = static_cast<double>(at.steps - 1);
  if (call <= peak) return cosine_between(first, o.lr, peak > 0 ? call / peak : 1);
  return cosine_between(o.lr, first / o.final_div_factor, (call - peak) / (end - peak));
}

enum class Counts { nothing, epochs, steps };

struct Schedule {
  Counts counts;  ///< what it needs to know of the run
  double (*rate)(const ScheduleOptions&, const Place&);
  double (*after_warmup)(const ScheduleOptions&) = full_rate;  ///< what warmup rises to
};

const Registry<Schedule>& schedules() {
  static const Registry<Schedule> all("schedule", {
                                                      {"constant", {Counts::nothing, constant}},
                                                      {"step", {Counts::epochs, step}},
                                                      {"multistep", {Counts::epochs, multistep}},
                                                      {"exponential", {Counts::epochs, exponential}},
                                                      {"poly", {Counts::steps, poly}},
                                                      {"cosine", {Counts::steps, cosine}},
                                                      {"onecycle", {Counts::steps, onecycle, first_of_onecycle}},
                                                  });
  return all;
}

void check(const ScheduleOptions& options, Counts counts, std::int64_t step) {
  const auto need = [](bool holds, const char* expected, auto got) { expect(holds, "schedule", expected, got); };
  need(step >= 1, "a step of 1 or more", step);
  need(std::isfinite(options.lr) && options.lr >= 0, "lr >= 0", options.lr);
  need(options.warmup_steps >= 0, "warmup_steps >= 0", options.warmup_steps);
  need(options.min_lr >= 0 && options.min_lr <= options.lr, "min_lr within 0 and lr", options.min_lr);
  if (counts == Counts::epochs) {
    need(options.steps_per_epoch >= 1, "steps_per_epoch >= 1", options.steps_per_epoch);
    need(options.step_size >= 1, "step_size >= 1", options.step_size);
    need(std::isfinite(options.gamma) && options.gamma > 0, "gamma > 0", options.gamma);
  } else if (counts == Counts::steps) {
    need(options.total_steps >= 1, "total_steps >= 1", options.total_steps);
    need(std::isfinite(options.power) && options.power > 0, "power > 0", options.power);
    need(options.pct_start >= 0 && options.pct_start <= 1, "pct_start within 0 and 1", options.pct_start);
    need(options.div_factor > 0, "div_factor > 0", options.div_factor);
    need(options.final_div_factor > 0, "final_div_factor > 0", options.final_div_factor);
  }
}

}  // namespace

std::vector<std::string> schedule_names() { return schedules().names(); }

double learning_rate(const ScheduleOptions& options, std::int64_t step) {
  const Schedule& schedule = schedules().at(options.kind);
  check(options, schedule.counts, step);
  if (step <= options.warmup_steps) {
    return schedule.after_warmup(options) * (static_cast<double>(step) / static_cast<double>(options.warmup_steps));
  }
  const std::int64_t steps = std::max<std::int64_t>(options.total_steps - options.warmup_steps, 1);
  return schedule.rate(options, {.epoch = (step - 1) / std::max<std::int64_t>(options.steps_per_epoch, 1),
                                 .k = std::min(step - options.warmup_steps, steps),
                                 .steps = steps});
}

void check_schedule(const ScheduleOptions& options) {
  learning_rate(options, 1);
  expect(options.warmup_steps <= options.total_steps, "schedule",
         "a warmup within the run's " + std::to_string(options.total_steps) + " steps",
         std::to_string(options.warmup_steps) + "; take a shorter warmup or more epochs");
}

std::vector<std::string> schedule_doubts(const ScheduleOptions& options) {
  std::vector<std::string> doubts;
  const std::int64_t epochs = options.total_steps / std::max<std::int64_t>(options.steps_per_epoch, 1);
  std::vector<std::int64_t> drops;
  if (options.kind == "multistep") drops = options.milestones;
  if (options.kind == "step") drops = {options.step_size};
  for (const std::int64_t drop : drops) {
    if (drop < epochs) continue;
    doubts.push_back("the schedule lowers the rate after " + std::to_string(drop) + " epochs, which the run's " +
                     std::to_string(epochs) + " do not get to");
  }
  // 1e-5: onecycle ends near 0, not at it.
  if (options.total_steps == 1 && options.lr > 0 && learning_rate(options, 1) <= 1e-5 * options.lr) {
    doubts.push_back("the run's only update learns (almost) nothing, since " + options.kind +
                     " ends at a rate near 0; take more epochs, smaller batches or a constant schedule");
  }
  return doubts;
}

}  // namespace striate

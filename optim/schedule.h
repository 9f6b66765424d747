#pragma once
// Learning-rate schedules: pure functions of the step, so that there is nothing to save and nothing to restore. Called
// by training loops before Optimizer::set_lr(). A new schedule is a row of the table in schedule.cpp.

#include <cstdint>
#include <string>
#include <vector>

namespace striate {

/// Those of the table in schedule.cpp, in its order.
std::vector<std::string> schedule_names();

struct ScheduleOptions {
  std::string kind = "constant";     ///< of schedule_names()
  double lr = 0.1;                   ///< the highest rate
  std::int64_t total_steps = 0;      ///< of the whole run, warmup included: for poly, cosine and onecycle
  std::int64_t steps_per_epoch = 0;  ///< for step, multistep and exponential
  std::int64_t warmup_steps = 0;
  std::int64_t step_size = 30;             ///< step: epochs between two drops
  double gamma = 0.1;                      ///< step, multistep, exponential: factor of a drop
  std::vector<std::int64_t> milestones{};  ///< multistep: the epochs that begin with a drop
  double power = 1;                        ///< poly
  double pct_start = 0.3;                  ///< onecycle: share of the steps that rise
  double div_factor = 25;                  ///< onecycle: begins at lr / div_factor
  double final_div_factor = 1e4;           ///< onecycle: ends at lr / div_factor / final_div_factor
  double min_lr = 0;                       ///< poly and cosine end here; step, multistep, exponential fall no lower
};

/// The learning rate of a step, the first being step 1.
///
/// Warmup: the first warmup_steps steps rise in a line, first * step / warmup_steps, to the rate that the
/// schedule begins with: lr, and lr / div_factor for onecycle. After it, with k = step - warmup_steps and T =
/// total_steps - warmup_steps:
///   constant     lr
///   poly         min_lr + (lr - min_lr) * (1 - k/T)^power
///   cosine       min_lr + (lr - min_lr) * 0.5 * (1 + cos(pi*k/T)), "Bag of Tricks", He et al. 2018
///   onecycle     PyTorch's OneCycleLR over T steps, anneal_strategy "cos", three_phase off: the rate before its
///                call number k - 1
/// and with the epoch e = (step - 1) / steps_per_epoch, rounded down, warmup epochs counted like any other:
///   step         lr * gamma^(e / step_size), rounded down
///   multistep    lr * gamma^(number of milestones <= e)
///   exponential  lr * gamma^e
/// Steps after total_steps keep the last rate. A run no longer than its warmup ends during it.
/// Throws std::invalid_argument for a kind that is not known, a step below 1 and options that the kind cannot work
/// with.
double learning_rate(const ScheduleOptions& options, std::int64_t step);

/// Throws std::invalid_argument as learning_rate() would, and for a warmup longer than the run of total_steps.
void check_schedule(const ScheduleOptions& options);

/// What a user may not have meant, a sentence each: drops of the rate beyond the run's end, and a run whose only update
/// is at the rate near 0 that cosine, poly and onecycle end at.
std::vector<std::string> schedule_doubts(const ScheduleOptions& options);

}  // namespace striate

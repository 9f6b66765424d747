#include "optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;

TEST(Schedule, AreKnownByName) {
  EXPECT_EQ(schedule_names(),
            (std::vector<std::string>{"constant", "step", "multistep", "exponential", "poly", "cosine", "onecycle"}));
  for (const std::string& name : schedule_names()) {
    const ScheduleOptions options{.kind = name, .lr = 0.5, .total_steps = 1, .steps_per_epoch = 1, .warmup_steps = 1};
    EXPECT_EQ(learning_rate(options, 1), name == "onecycle" ? 0.5 / 25 : 0.5) << name;
  }
  expect_error<std::invalid_argument>([] { learning_rate({.kind = "cosin"}, 1); },
                                      {"'cosin'", "did you mean 'cosine'", "poly, cosine, onecycle"});
}

/// The rates of the first steps.
void expect_rates(const ScheduleOptions& options, const std::vector<double>& rates) {
  std::int64_t step = 0;
  for (const double rate : rates) {
    ++step;
    EXPECT_EQ(learning_rate(options, step), rate) << "step " << step;
  }
}

TEST(Schedule, ConstantWithWarmup) {
  const ScheduleOptions options{.lr = 0.4, .warmup_steps = 4};
  expect_rates(options, {0.1, 0.2, 0.4 * 0.75, 0.4, 0.4, 0.4});
}

// The formula of a reference training loop, evaluated in the same order: every bit must agree.
TEST(Schedule, CosineIsTheReferenceFormulaBitForBit) {
  for (const double lr : {0.1, 0.05, 0.4}) {
    for (const std::int64_t warm : {0, 1, 390}) {
      const std::int64_t total = 10 * 390;
      const ScheduleOptions options{.kind = "cosine", .lr = lr, .total_steps = total, .warmup_steps = warm};
      for (std::int64_t k = 1; k <= total; ++k) {
        const double factor = k <= warm ? static_cast<double>(k) / static_cast<double>(warm)
                                        : 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(k - warm) /
                                                              static_cast<double>(total - warm)));
        ASSERT_EQ(learning_rate(options, k), lr * factor) << "step " << k;
      }
      EXPECT_EQ(learning_rate(options, total), 0);
    }
  }
}

TEST(Schedule, CosineAndPolyEndAtTheLowestRate) {
  ScheduleOptions options{.kind = "cosine", .lr = 1, .total_steps = 12, .warmup_steps = 2, .min_lr = 0.2};
  EXPECT_NEAR(learning_rate(options, 7), 0.6, 1e-15);
  EXPECT_EQ(learning_rate(options, 12), 0.2);
  options.kind = "poly";
  options.power = 2;
  EXPECT_NEAR(learning_rate(options, 7), 0.2 + 0.8 * 0.25, 1e-15);
  EXPECT_EQ(learning_rate(options, 12), 0.2);
}

TEST(Schedule, PolyIsALineForPowerOne) {
  const ScheduleOptions options{.kind = "poly", .lr = 0.8, .total_steps = 8};
  for (std::int64_t step = 1; step <= 8; ++step) {
    EXPECT_NEAR(learning_rate(options, step), 0.1 * static_cast<double>(8 - step), 1e-15);
  }
}

// As torch.optim.lr_scheduler.StepLR(step_size=2, gamma=0.5), stepped after every epoch of 3 steps.
TEST(Schedule, StepDropsAtEpochBoundaries) {
  ScheduleOptions options{.kind = "step", .lr = 1, .steps_per_epoch = 3, .step_size = 2, .gamma = 0.5};
  for (std::int64_t step = 1; step <= 15; ++step) {
    const double expected = step <= 6 ? 1 : step <= 12 ? 0.5 : 0.25;
    EXPECT_EQ(learning_rate(options, step), expected) << step;
  }
  options.warmup_steps = 8;  // warmup epochs count, and the line leads to the full rate
  EXPECT_EQ(learning_rate(options, 4), 0.5);
  EXPECT_EQ(learning_rate(options, 8), 1);
  EXPECT_EQ(learning_rate(options, 9), 0.5);
  options.min_lr = 0.3;
  EXPECT_EQ(learning_rate(options, 13), 0.3);
}

// As MultiStepLR(milestones=[1, 3, 3], gamma=0.5).
TEST(Schedule, MultistepDropsAtMilestones) {
  const ScheduleOptions options{
      .kind = "multistep", .lr = 1, .steps_per_epoch = 2, .gamma = 0.5, .milestones = {1, 3, 3}};
  expect_rates(options, {1, 1, 0.5, 0.5, 0.5, 0.5, 0.125, 0.125, 0.125});
}

// As ExponentialLR(gamma=0.5).
TEST(Schedule, ExponentialDropsEveryEpoch) {
  const ScheduleOptions options{.kind = "exponential", .lr = 1, .steps_per_epoch = 2, .gamma = 0.5};
  expect_rates(options, {1, 1, 0.5, 0.5, 0.25, 0.25});
}

/// OneCycleLR in its own words: phases with end steps and cosine annealing between their rates.
double naive_onecycle(double max_lr, double total, double pct_start, double div, double final_div, double step) {
  const auto anneal = [](double start, double end, double pct) {
    return end + (start - end) / 2.0 * (std::cos(std::numbers::pi * pct) + 1);
  };
  const double initial = max_lr / div;
  const double peak_step = pct_start * total - 1;
  if (step <= peak_step) return anneal(initial, max_lr, step / peak_step);
  return anneal(max_lr, initial / final_div, (step - peak_step) / (total - 1 - peak_step));
}

TEST(Schedule, OnecycleRisesAndFalls) {
  const ScheduleOptions options{.kind = "onecycle", .lr = 0.5, .total_steps = 100};
  for (std::int64_t step = 1; step <= 100; ++step) {
    EXPECT_NEAR(learning_rate(options, step), naive_onecycle(0.5, 100, 0.3, 25, 1e4, static_cast<double>(step - 1)),
                1e-15);
  }
  EXPECT_NEAR(learning_rate(options, 1), 0.5 / 25, 1e-15);
  EXPECT_DOUBLE_EQ(learning_rate(options, 30), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 100), 0.5 / 25 / 1e4);
}

TEST(Schedule, OnecycleWarmupLeadsToItsFirstRate) {
  const ScheduleOptions options{.kind = "onecycle", .lr = 1, .total_steps = 104, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(learning_rate(options, 2), 0.5 / 25);
  EXPECT_DOUBLE_EQ(learning_rate(options, 4), 1.0 / 25);
  EXPECT_NEAR(learning_rate(options, 5), 1.0 / 25, 1e-15);
  EXPECT_DOUBLE_EQ(learning_rate(options, 34), 1);
}

TEST(Schedule, OnecycleAtTheEdgesOfItsShares) {
  for (const double share : {0.0, 0.1, 1.0}) {
    for (const std::int64_t total : {1, 2, 10}) {
      const ScheduleOptions options{.kind = "onecycle", .lr = 1, .total_steps = total, .pct_start = share};
      for (std::int64_t step = 1; step <= total; ++step) {
        const double rate = learning_rate(options, step);
        EXPECT_TRUE(rate > 0 && rate <= 1) << share << " " << total << " " << step << ": " << rate;
      }
    }
  }
}

TEST(Schedule, StaysAtTheLastRateAfterTheEnd) {
  for (const char* kind : {"poly", "cosine", "onecycle"}) {
    const ScheduleOptions options{.kind = kind, .total_steps = 10, .warmup_steps = 2};
    EXPECT_EQ(learning_rate(options, 11), learning_rate(options, 10));
    EXPECT_EQ(learning_rate(options, 1000), learning_rate(options, 10));
  }
}

TEST(Schedule, ARunNoLongerThanItsWarmupEndsDuringIt) {
  for (const char* kind : {"poly", "cosine"}) {
    for (const std::int64_t total : {3, 4}) {
      const ScheduleOptions options{.kind = kind, .lr = 1, .total_steps = total, .warmup_steps = 4};
      for (std::int64_t step = 1; step <= total; ++step) {
        EXPECT_EQ(learning_rate(options, step), static_cast<double>(step) / 4);
      }
      EXPECT_EQ(learning_rate(options, 5), 0);
    }
  }
}

TEST(Schedule, RefusesWhatItCannotWorkWith) {
  const auto expect_refused = [](const ScheduleOptions& options, const std::string& what, std::int64_t step = 1) {
    expect_error<std::invalid_argument>([&] { learning_rate(options, step); }, {"[schedule] expected", what});
  };
  expect_refused({}, "step of 1 or more, got 0", 0);
  expect_refused({.lr = -1}, "lr >= 0");
  expect_refused({.lr = std::numeric_limits<double>::infinity()}, "lr >= 0, got inf");
  expect_refused({.warmup_steps = -1}, "warmup_steps >= 0");
  expect_refused({.lr = 0.1, .min_lr = 0.2}, "min_lr within 0 and lr");
  expect_refused({.kind = "cosine"}, "total_steps >= 1");
  expect_refused({.kind = "poly", .total_steps = 1, .power = 0}, "power > 0");
  expect_refused({.kind = "step"}, "steps_per_epoch >= 1");
  expect_refused({.kind = "step", .steps_per_epoch = 1, .step_size = 0}, "step_size >= 1");
  expect_refused({.kind = "exponential", .steps_per_epoch = 1, .gamma = 0}, "gamma > 0");
  expect_refused({.kind = "onecycle", .total_steps = 1, .pct_start = 1.5}, "pct_start within 0 and 1");
  expect_refused({.kind = "onecycle", .total_steps = 1, .div_factor = 0}, "div_factor > 0");
  expect_refused({.kind = "onecycle", .total_steps = 1, .final_div_factor = -1}, "final_div_factor > 0");
}

TEST(Schedule, WarmupEndsWithinTheRun) {
  for (const std::string& kind : schedule_names()) {
    ScheduleOptions options{.kind = kind, .total_steps = 4, .steps_per_epoch = 1, .warmup_steps = 5};
    expect_error<std::invalid_argument>([&] { check_schedule(options); },
                                        {"[schedule] expected a warmup within the run's 4 steps, got 5"});
    options.warmup_steps = 4;
    check_schedule(options);
    options.lr = -1;
    expect_error<std::invalid_argument>([&] { check_schedule(options); }, {"lr >= 0"});
  }
}

TEST(Schedule, DoubtsAboutRunsThatDoNotGetToIt) {
  for (const std::string& kind : schedule_names()) {
    ScheduleOptions options{
        .kind = kind, .total_steps = 60, .steps_per_epoch = 2, .step_size = 30, .milestones = {10, 29, 30}};
    const std::vector<std::string> late = {
        "the schedule lowers the rate after 30 epochs, which the run's 30 do not get to"};
    EXPECT_EQ(schedule_doubts(options), kind.ends_with("step") ? late : std::vector<std::string>()) << kind;
    options = {.kind = kind, .total_steps = 1, .steps_per_epoch = 1, .step_size = 1};
    const bool ends_at_0 = kind == "cosine" || kind == "poly" || kind == "onecycle";
    std::size_t doubts = ends_at_0 || kind == "step" ? 1 : 0;
    EXPECT_EQ(schedule_doubts(options).size(), doubts) << kind;
    options.warmup_steps = 1;
    if (ends_at_0) doubts = 0;
    EXPECT_EQ(schedule_doubts(options).size(), doubts) << kind;
  }
}

}  // namespace
}  // namespace striate

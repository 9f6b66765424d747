#include "apps/training/range_test.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/training/diverged.h"
#include "apps/training/first_checks.h"
#include "apps/training/prepare.h"
#include "apps/training/stepper.h"
#include "core/check.h"
#include "data/loader.h"

namespace striate {
namespace {

void check(const RangeTestOptions& test) {
  expect(test.min_lr > 0 && std::isfinite(test.min_lr), "range_test", "min_lr above 0", test.min_lr);
  expect(test.max_lr > test.min_lr && std::isfinite(test.max_lr), "range_test", "max_lr above min_lr", test.max_lr);
  expect(test.steps >= 2, "range_test", "2 steps or more", test.steps);
  expect(test.beta >= 0 && test.beta < 1, "range_test", "beta from 0 to below 1", test.beta);
  expect(test.stop_factor > 1, "range_test", "stop_factor above 1", test.stop_factor);
}

// The steps of a model, whatever their rates.
class Steps {
 public:
  Steps(Layer& model, const Dataset& train, const TrainerOptions& options)
      : options_(options),
        optimizer_(optimizer_for(model, options)),
        loader_(train, options.loader),
        images_(images_an_epoch(loader_, options.loader, train.size())),
        state_{.model = model, .optimizer = *optimizer_},
        stepper_(model, state_, running_, options) {
    loader_.start_epoch(0);
  }

  // What the schedule's rates are multiplied by.
  [[nodiscard]] double factor() const {
    TrainerOptions plain = options_;
    plain.schedule.lr = 1;
    return schedule_in_steps(plain, images_).lr;
  }

  // The mean loss over the step's images.
  double step(double learning_rate, bool last) {
    if (state_.position == loader_.batches_per_epoch()) {
      state_.position = 0;
      loader_.start_epoch(++state_.epoch);
    }
    stepper_.step(loader_, images_of_update(options_, images_, state_.position), learning_rate, last);
    return stepper_.loss();
  }

 private:
  const TrainerOptions& options_;
  std::unique_ptr<Optimizer> optimizer_;
  Loader loader_;
  std::int64_t images_;  // of an epoch
  TrainingState state_;
  RunningMetrics running_;
  Stepper stepper_;
};

constexpr double kClearFall = 5;  // standard errors
constexpr double kSameSlope = 2;  // standard errors

// The losses of a range test by windows of a sixth of the steps, called by their first step.
class Windows {
 public:
  explicit Windows(const std::vector<RangePoint>& points)
      : points_(points), length_(std::max<std::size_t>(5, points.size() / 6)) {
    for (std::size_t first = 0; first + length_ <= points.size(); ++first) {
      if (mean(first) < mean(lowest_)) lowest_ = first;
    }
    // Of the loss at one rate: the differences of neighbours have sqrt(2) times its standard deviation, and those of a
    // normal distribution a median of 0.6745 standard deviations.
    std::vector<double> changes;
    for (std::size_t i = 1; i < lowest_ + length_; ++i) {
      changes.push_back(std::abs(points[i].loss - points[i - 1].loss));
    }
    std::sort(changes.begin(), changes.end());
    noise_ = changes[changes.size() / 2] / (0.6745 * std::sqrt(2));
  }

  [[nodiscard]] std::size_t length() const { return length_; }
  /// That of the lowest mean.
  [[nodiscard]] std::size_t lowest() const { return lowest_; }

  [[nodiscard]] bool falls() const {
    const double error = noise_ * std::sqrt(2 / static_cast<double>(length_));
    return lowest_ > 0 && mean(0) - mean(lowest_) > kClearFall * error;
  }

  /// The last one up to the lowest whose line is as steep as the steepest.
  [[nodiscard]] std::size_t last_steep() const {
    double steepest = INFINITY;
    for (std::size_t first = 0; first <= lowest_; ++first) steepest = std::min(steepest, slope(first));
    const double error = noise_ * std::sqrt(spread());
    std::size_t found = lowest_;
    while (slope(found) > steepest + kSameSlope * error) --found;
    return found;
  }

 private:
  [[nodiscard]] double mean(std::size_t first) const {
    double sum = 0;
    for (std::size_t i = 0; i < length_; ++i) sum += points_[first + i].loss;
    return sum / static_cast<double>(length_);
  }
  [[nodiscard]] double from_centre(std::size_t i) const {
    return static_cast<double>(i) - static_cast<double>(length_ - 1) / 2;
  }
  // The sum of squares of the steps from the window's centre.
  [[nodiscard]] double spread() const {
    double sum = 0;
    for (std::size_t i = 0; i < length_; ++i) sum += from_centre(i) * from_centre(i);
    return sum;
  }
  // Of the least-squares line, times spread().
  [[nodiscard]] double slope(std::size_t first) const {
    double sum = 0;
    for (std::size_t i = 0; i < length_; ++i) sum += from_centre(i) * points_[first + i].loss;
    return sum;
  }

  const std::vector<RangePoint>& points_;
  std::size_t length_;
  std::size_t lowest_ = 0;
  double noise_ = 0;
};

}  // namespace

RangeTest range_test(Layer& model, const Dataset& train, const TrainerOptions& options, const RangeTestOptions& test) {
  check(test);
  check_options(options, train, train);
  TrainerOptions with_dtype = options;
  with_dtype.loader.dtype = options.precision.parameters;
  Steps steps(model, train, with_dtype);
  check_network(model, train, with_dtype);
  const double factor = steps.factor();
  RangeTest result;
  double average = 0;
  double weight = 0;  // 1 - beta^i
  double lowest = INFINITY;
  try {
    for (std::int64_t i = 0; i < test.steps; ++i) {
      if (options.stop()) {
        result.ending = RangeTest::Ending::stopped;
        break;
      }
      const double progress = static_cast<double>(i) / static_cast<double>(test.steps - 1);
      RangePoint point{.lr = test.min_lr * std::pow(test.max_lr / test.min_lr, progress)};
      point.loss = steps.step(point.lr * factor, i + 1 == test.steps);
      average = test.beta * average + (1 - test.beta) * point.loss;
      weight = test.beta * weight + (1 - test.beta);
      point.smoothed = average / weight;
      lowest = std::min(lowest, point.smoothed);
      result.points.push_back(point);
      test.on_step(point);
      if (point.smoothed > test.stop_factor * lowest) {
        result.ending = RangeTest::Ending::rose;
        break;
      }
    }
  } catch (const DivergedError& error) {
    result.ending = RangeTest::Ending::not_finite;
    result.reason = error.what();
  }
  return result;
}

std::optional<std::size_t> suggested_point(const RangeTest& test) {
  if (test.points.size() < kFewestRangePoints) return std::nullopt;
  const Windows windows(test.points);
  if (!windows.falls()) return std::nullopt;
  return windows.last_steep() + windows.length() / 2;
}

bool falls_to_the_end(const RangeTest& test) {
  if (test.ending != RangeTest::Ending::finished || !suggested_point(test)) return false;
  const Windows windows(test.points);
  return windows.lowest() + windows.length() == test.points.size();
}

}  // namespace striate

#pragma once
// The learning-rate range test of "Cyclical Learning Rates for Training Neural Networks" (Smith, 2017): rates that rise
// exponentially from step to step, and the loss at each. Called by `striate find-lr`; its steps are those of
// apps/training/stepper.h, so the objective, the optimiser and the batches are a training run's.
//
//   manual_seed(1);
//   Net model;  // its values are spent afterwards: make another for the run
//   const RangeTest test = range_test(model, train, {.optimizer = "adamw"});
//   if (const auto best = suggested_point(test)) std::printf("%g\n", test.points[*best].lr);

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/training/options.h"
#include "core/module.h"
#include "data/dataset.h"

namespace striate {

/// A step: its rate, and the mean loss over its images before its update.
struct RangePoint {
  double lr = 0;
  double loss = 0;
  double smoothed = 0;
};

/// The defaults are fastai's.
struct RangeTestOptions {
  double min_lr = 1e-7;
  double max_lr = 10;
  std::int64_t steps = 100;
  /// Of the smoothed loss: m_i = beta * m_(i-1) + (1 - beta) * loss_i from m_0 = 0, divided by 1 - beta^i.
  double beta = 0.98;
  double stop_factor = 4;  ///< ends where the smoothed loss is above this multiple of its lowest
  std::function<void(const RangePoint&)> on_step = [](const RangePoint&) {};
};

struct RangeTest {
  enum class Ending : std::uint8_t {
    finished,    ///< at max_lr
    rose,        ///< above stop_factor times the lowest smoothed loss; the last point is the one that did
    not_finite,  ///< the loss or the gradients, after the last point; `reason` tells
    stopped,     ///< by TrainerOptions::stop
  };
  std::vector<RangePoint> points;
  Ending ending = Ending::finished;
  std::string reason = {};  ///< as DivergedError has it
};

/// Trains the model on the run's first batches, epochs one after the other where the steps need more. Rates are
/// TrainerOptions::schedule.lr's: what base_batch_size makes of them is applied, what else the options say of rates
/// over the run, of averages and files is passed over. Throws std::invalid_argument for options out of range, and as
/// Trainer.
RangeTest range_test(Layer& model, const Dataset& train, const TrainerOptions& options,
                     const RangeTestOptions& test = {});

/// The fewest points that suggested_point works with.
inline constexpr std::size_t kFewestRangePoints = 10;

/// The point where the loss falls fastest: the way that fastai and Lightning call "steep". Its slope is that of the
/// least-squares line through the losses of a sixth of the steps, and of slopes that noise cannot tell from the
/// steepest (within two standard errors) the one at the highest rate counts, up to where the mean over as many steps is
/// lowest. (The smoothed loss lags by half of all steps, so its slopes tell of earlier rates; fastai's "valley", the
/// middle of the longest fall, is ten times lower where the loss drifts down slowly first, as with batch norm.) None
/// where the lowest mean is below the first one by less than five standard errors of their difference, or there are
/// fewer points than kFewestRangePoints.
std::optional<std::size_t> suggested_point(const RangeTest& test);

/// Whether the suggested fall goes on to the last point of a test that came to its end, so that higher rates may be
/// better.
bool falls_to_the_end(const RangeTest& test);

}  // namespace striate

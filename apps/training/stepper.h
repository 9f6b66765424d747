#pragma once
// The steps of a training run: each is one update from `accumulate` batches. Called by Trainer, which has the epochs;
// read optim/update.h next.

#include <cstdint>

#include "apps/training/metrics.h"
#include "apps/training/objective.h"
#include "core/module.h"
#include "data/loader.h"
#include "optim/checkpoint.h"
#include "optim/update.h"

namespace striate {

class Stepper {
 public:
  struct Options {
    std::int64_t accumulate = 1;
    DType activations = DType::f32;
    ObjectiveOptions objective = {};
    UpdateOptions update = {};
  };

  /// All are the run's and must outlive it: the model, its optimiser and where it is.
  Stepper(Layer& model, TrainingState& state, RunningMetrics& running, const Options& options);

  /// One update at this rate from the loader's next batches, which have so many images in all. Counts the step and the
  /// batches. Throws DivergedError where the loss, or the gradients at every loss scale, are not finite.
  void step(Loader& loader, std::int64_t images, double learning_rate);
  /// The mean loss over the last step's images.
  [[nodiscard]] double loss() const { return loss_; }

  /// Throws DivergedError where a parameter or buffer is not finite.
  void check_finite();

  [[nodiscard]] Update& update() { return update_; }

 private:
  void add_gradient(const Batch& batch, double share);
  [[noreturn]] void diverged(const std::string& what, const std::string& where_else);

  Layer& model_;
  TrainingState& state_;
  RunningMetrics& running_;
  std::int64_t accumulate_;
  DType activations_;
  Objective objective_;
  Update update_;
  double learning_rate_ = 0;
  double loss_ = 0;
  Tensor last_images_;  // to find the first layer whose output is not finite
};

}  // namespace striate

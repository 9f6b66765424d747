#pragma once
// The steps of a training run: each is one update from `accumulate` batches. Called by Trainer, which has the epochs,
// and by range_test; read optim/update.h next.

#include <string>

#include "apps/training/options.h"
#include "core/module.h"
#include "data/loader.h"
#include "optim/checkpoint.h"
#include "optim/update.h"

namespace striate {

/// Sums over the images seen so far in an epoch, and the last step's rate.
struct RunningMetrics {
  double loss_sum = 0;  ///< of the training loss, times images
  double correct = 0;   ///< images; for segmentation, each batch's share of right pixels times its images
  double images = 0;
  double seconds = 0;  ///< of training steps, evaluation not counted
  double learning_rate = 0;

  [[nodiscard]] double loss() const { return images > 0 ? loss_sum / images : 0; }
  [[nodiscard]] double accuracy() const { return images > 0 ? correct / images : 0; }
  [[nodiscard]] double images_per_second() const { return seconds > 0 ? images / seconds : 0; }
};

/// The mean loss over a batch, for segmentation over its pixels that have a class (0 without any): cross entropy, and
/// distillation where there is a teacher. The teacher, in eval mode, sees the same images as the model did.
Tensor objective(const ObjectiveOptions& options, const Tensor& logits, const Batch& batch);

class Stepper {
 public:
  /// All are the run's and must outlive it: the model, its optimiser and where it is.
  Stepper(Layer& model, TrainingState& state, RunningMetrics& running, const TrainerOptions& options);

  /// One update at this rate from the loader's next batches, which have so many images in all. Counts the step and the
  /// batches. Throws DivergedError where the loss, or the gradients at every loss scale, are not finite, and where this
  /// is the run's last step and all were skipped.
  void step(Loader& loader, std::int64_t images, double learning_rate, bool last);
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
  const TrainerOptions& options_;
  Update update_;
  double loss_ = 0;
  Tensor last_images_;  // to find the first layer whose output is not finite
};

}  // namespace striate

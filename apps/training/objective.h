#pragma once
// What a training run minimises.

#include <optional>
#include <string>
#include <vector>

#include "apps/cli/train_options.h"
#include "data/loader.h"
#include "layers/cross_entropy.h"
#include "models/weights.h"

namespace striate::cli {

/// Cross entropy with --label-smoothing; with --teacher also --distill-weight times distillation_loss.
class Objective {
 public:
  /// Loads the teacher, in the run's precision. Throws FileError for its file, UsageError where its classes are
  /// not `class_names`.
  Objective(const TrainOptions& options, const std::vector<std::string>& class_names);

  /// The mean loss over a batch. The teacher, in eval mode, sees the same images as the model did.
  [[nodiscard]] Tensor loss(const Tensor& logits, const Batch& batch);

 private:
  CrossEntropyOptions cross_entropy_;
  std::optional<LoadedModel> teacher_;
  double temperature_;
  double distill_weight_;
};

}  // namespace striate::cli

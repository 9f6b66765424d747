#pragma once
// Loss and accuracy of a model on a data set. Called by Trainer after every epoch, by `striate eval`, and by programs
// of one's own.

#include <functional>
#include <optional>

#include "apps/training/metrics.h"
#include "apps/training/tta.h"
#include "core/module.h"
#include "data/dataset.h"

namespace striate {

struct EvaluateOptions {
  DType activations = DType::f32;
  std::int64_t batch_size = 128;
  TtaOptions tta = {};
  /// Asked between batches; nothing is returned where it said yes.
  std::function<bool()> stop = [] { return false; };
};

/// Evaluates in eval mode, without augmentation but by --tta; the model's mode is restored.
std::optional<Evaluation> evaluate(Layer& model, const Dataset& dataset, const EvaluateOptions& options);

/// A batch's images as the model takes them: in this dtype.
Tensor as_input(const Tensor& images, DType activations);

}  // namespace striate

#pragma once
// How good a model is on a data set.

#include <functional>
#include <optional>

#include "apps/metrics.h"
#include "core/module.h"
#include "data/dataset.h"

namespace striate::apps {

/// Evaluates in eval mode, without augmentation, on batches of activations' dtype; the model's mode is
/// restored. `stop` is asked between batches; nothing is returned where it said yes.
std::optional<Evaluation> evaluate(
    Layer& model, const Dataset& dataset, DType activations, std::int64_t batch_size,
    const std::function<bool()>& stop = [] { return false; });

/// A batch's images as the model takes them: in this dtype.
Tensor as_input(const Tensor& images, DType activations);

}  // namespace striate::apps

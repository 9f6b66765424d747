#pragma once
// Running statistics for an average of weights, whose activations no training step has seen. Called by the Trainer
// before it evaluates stochastic weight averaging (optim/averages.h).

#include <functional>

#include "core/module.h"

namespace striate {

/// The running statistics of all batch norms in training mode become the plain averages over these batches, as
/// PyTorch's update_bn does it. `next` gives a batch of images, undefined after the last. Draws of the generator
/// are undone.
void update_batch_norm(Layer& model, const std::function<Tensor()>& next);

}  // namespace striate

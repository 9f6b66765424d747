#pragma once
// Gradient clipping and scaling, in place. Called by Update (optim/update.h) and loops of one's own.

#include <vector>

#include "core/module.h"

namespace striate {

/// The L2 norm over all gradients together (summed in f64 in a fixed order); where it exceeds max_norm all
/// gradients are scaled in place by max_norm / (norm + 1e-6), as PyTorch does. Returns the norm before. A
/// norm that is not finite is returned, and the gradients stay. Parameters without a gradient count for
/// nothing. Throws std::invalid_argument unless max_norm > 0.
double clip_grad_norm_(const std::vector<NamedTensor>& parameters, double max_norm);

/// Multiplies all gradients in place by `factor`, rounded to f32 first (f64 for f64 gradients). False where one was
/// not finite before.
bool scale_gradients_(const std::vector<NamedTensor>& parameters, double factor);

}  // namespace striate

#pragma once
// Softmax and its logarithm. The loss of a classifier is layers/cross_entropy.h, which takes logits.

#include "core/tensor.h"

namespace striate {

/// exp(x) / sum(exp(x)) over the last axis (channels); any rank from 1. bf16 and f16 are computed in f32.
/// Throws ShapeError for a scalar.
Tensor softmax(const Tensor& x);
/// log(softmax(x)), without overflow.
Tensor log_softmax(const Tensor& x);

}  // namespace striate

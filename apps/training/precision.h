#pragma once
// --precision: the dtypes of a run.

#include <string>

#include "core/dtype.h"

namespace striate::apps {

struct Precision {
  DType parameters = DType::f32;
  DType activations = DType::f32;
};

/// fp32, bf16, fp16 or fp64. bf16 and fp16 round to bf16 or f16: every activation and its gradient, once, where an
/// op stores it; the images; the weights of convolutions and linear layers where products take them. fp16 rounds
/// the gradients of these weights and of their biases as well, once a backward pass, so that they underflow as in
/// a network of f16. All else is f32: the arithmetic within an op, the parameters that are updated and their
/// momentum, biases as they are added, batch norm's statistics, parameters and their gradients, the loss and what
/// several backward passes add up to. Throws UsageError with the nearest of them.
Precision precision_of(const std::string& name);

}  // namespace striate::apps

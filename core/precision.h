#pragma once
// Precisions by name: the dtypes of a model's parameters and of what flows through it.

#include <string>
#include <vector>

#include "core/dtype.h"

namespace striate {

/// bf16 and fp16 round to bf16 or f16: every activation and its gradient, once, where an op stores it; the images; the
/// weights of convolutions and linear layers where products take them. fp16 rounds the gradients of these weights and
/// of their biases as well, once a backward pass, so that they underflow as in a network of f16. All else is f32: the
/// arithmetic within an op, the master weights that are updated and the optimiser's state, biases as they are added,
/// batch norm's statistics, parameters and their gradients, the loss and what several backward passes add up to.
struct Precision {
  DType parameters = DType::f32;
  DType activations = DType::f32;

  friend bool operator==(const Precision&, const Precision&) = default;
};

/// "fp32", "bf16", "fp16", "fp64".
std::vector<std::string> precision_names();

/// Throws std::invalid_argument with the nearest name.
Precision precision_of(const std::string& name);

/// The name of one of the four.
std::string to_string(const Precision& precision);

}  // namespace striate

#pragma once
// Gradients that are written in place.

#include "core/tensor.h"

namespace striate {

/// The parameter's gradient, undefined where there is none. Where someone else's tensor stands in for it, which is not
/// ours to write to, a copy takes its place.
inline Tensor own_gradient(Tensor parameter) {
  Tensor gradient = parameter.grad();
  if (!gradient.defined() || gradient.unique()) return gradient;
  gradient = gradient.clone();
  parameter.set_grad(gradient);
  return gradient;
}

}  // namespace striate

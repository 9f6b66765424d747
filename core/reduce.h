#pragma once
// Sums and means of f32, f64, bf16 and f16, added up in double, in an order that depends on the shape alone, and
// rounded once.

#include <vector>

#include "core/axis.h"
#include "core/tensor.h"

namespace striate {

/// The sum of all elements: shape ().
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);
/// Over the named axes; with keepdim they stay with size 1, else they go. Throws ShapeError.
Tensor sum(const Tensor& x, const std::vector<Axis>& axes, bool keepdim = false);
Tensor mean(const Tensor& x, const std::vector<Axis>& axes, bool keepdim = false);

/// Adds up the axes of x along which a tensor of this shape was broadcast to x's shape: the gradient of broadcasting. x
/// itself where nothing was broadcast. Not recorded in the graph.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace striate

#pragma once
// Sums over axes: behind sum() and mean() (core/reduce.h) and the backward pass of broadcasting (core/broadcast.h).

#include <vector>

#include "core/tensor.h"

namespace striate {

/// Adds x up over the axes i with summed[i], divides by `divisor` and gives the result `shape`, whose numel
/// is that of the other axes. Adds in double, in an order that depends on the shape of x alone. Not recorded in
/// the graph.
Tensor sum_over(const Tensor& x, const std::vector<bool>& summed, Shape shape, double divisor = 1);

/// Adds up the axes of x along which a tensor of this shape was broadcast to x's shape: the gradient of
/// broadcasting. x itself where nothing was broadcast.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace striate

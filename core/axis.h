#pragma once
// Axes by name. An image batch (N,H,W,C) has all four, a sequence (N,W,C) no height, a matrix (N,C) neither.

#include <cstdint>

#include "core/tensor.h"

namespace striate {

enum class Axis : std::uint8_t { batch, height, width, channels };

/// The place of an axis in a tensor of rank 2, 3 or 4. Throws ShapeError "[op] ..." where the tensor lacks
/// it.
int index_of(Axis axis, const Tensor& x, const char* op);

}  // namespace striate

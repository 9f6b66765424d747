#pragma once
// Ops that move elements and compute nothing. All but reshape copy.

#include <vector>

#include "core/axis.h"
#include "core/tensor.h"

namespace striate {

/// The same elements in memory order under another shape; one size may be -1 (inferred). Shares memory.
/// Throws ShapeError where the counts differ.
Tensor reshape(const Tensor& x, Shape shape);
/// Joins along an axis; all other sizes and the dtypes agree. Throws ShapeError.
Tensor concat(const std::vector<Tensor>& parts, Axis axis);
/// Elements begin .. end-1 along an axis. Throws ShapeError unless 0 <= begin < end <= size.
Tensor slice(const Tensor& x, Axis axis, std::int64_t begin, std::int64_t end);

/// Elements by their place in memory order: y[i] = x[index[i]], in index's shape (torch.take). index is i64, each
/// 0 .. x.numel()-1; an element may be taken several times. x is floating. Throws ShapeError for other places.
Tensor take(const Tensor& x, const Tensor& index);

}  // namespace striate

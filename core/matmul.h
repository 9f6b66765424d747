#pragma once
#include "core/tensor.h"

namespace striate {

/// The matrix product. a (M,L), b (L,N) -> (M,N), one dtype (f32, f64, bf16, f16). Throws ShapeError.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace striate

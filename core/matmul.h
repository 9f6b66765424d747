#pragma once
// The matrix product: as an op, and as what linear layers build theirs from.

#include "core/gemm.h"
#include "core/tensor.h"

namespace striate {

/// The matrix product. a (M,L), b (L,N) -> (M,N), one dtype (f32, f64, bf16, f16). Throws ShapeError.
Tensor matmul(const Tensor& a, const Tensor& b);

/// op(a) * op(b) outside the graph, unchecked: two matrices of one dtype, f32 or f64. op transposes.
Tensor matrix_product(Transpose ta, const Tensor& a, Transpose tb, const Tensor& b);

}  // namespace striate

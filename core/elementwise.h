#pragma once
// Elementwise ops on f32, f64, bf16 and f16 (both computed in f32, rounded once). Binary ones broadcast as NumPy and
// PyTorch do: sizes are matched from the last axis, 1 stretches, and the gradient of a stretched input is the
// sum over the stretched axes. Throw ShapeError where shapes or dtypes do not fit together,
// std::invalid_argument for i64 and u8.

#include "core/tensor.h"

namespace striate {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);

/// x * factor + offset.
Tensor affine(const Tensor& x, double factor, double offset = 0);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);

/// The same values in another floating dtype; the gradient is cast back.
Tensor cast(const Tensor& x, DType dtype);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator*(const Tensor& x, double factor) { return affine(x, factor); }
inline Tensor operator*(double factor, const Tensor& x) { return affine(x, factor); }
inline Tensor operator+(const Tensor& x, double offset) { return affine(x, 1, offset); }
inline Tensor operator-(const Tensor& x, double offset) { return affine(x, 1, -offset); }
inline Tensor operator-(const Tensor& x) { return affine(x, -1); }

}  // namespace striate

#pragma once
// Convolution of any shape by products of gathered rows (with a 1x1 kernel and stride 1 of the rows where
// they lie): see layers/conv_kernels.h for what the functions compute. T: float or bfloat16.

#include "layers/conv/epilogue.h"
#include "layers/conv/geometry.h"

namespace striate {

template <class T>
void im2col_forward(const ConvGeometry& g, const T* x, const float* w, const ConvEpilogue<float>& epilogue, T* y);

template <class T>
void im2col_backward_data(const ConvGeometry& g, const T* dy, const float* w, T* dx);

/// Where the gradient is small, up to 16 partial sums over positions are added in order.
template <class T>
void im2col_backward_weights(const ConvGeometry& g, const T* x, const T* dy, float* dw);

}  // namespace striate

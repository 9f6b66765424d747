#pragma once
// Convolution of every channel by itself (groups == channels, one or more filters for each): see
// layers/conv_kernels.h for what the functions compute. T: float or bfloat16; nothing but results is
// rounded to it.

#include "layers/conv/epilogue.h"
#include "layers/conv/geometry.h"

namespace striate {

template <class T>
void depthwise_forward(const ConvGeometry& g, const T* x, const float* w, const ConvEpilogue<float>& epilogue, T* y);

template <class T>
void depthwise_backward_data(const ConvGeometry& g, const T* dy, const float* w, T* dx);

/// Partial sums of up to 32 groups of output rows are added in order.
template <class T>
void depthwise_backward_weights(const ConvGeometry& g, const T* x, const T* dy, float* dw);

}  // namespace striate

#pragma once
// Convolution of any shape in f32 by products: see layers/conv_kernels.h for what the functions compute.

#include "layers/conv_geometry.h"

namespace striate {

void im2col_forward(const ConvGeometry& g, const float* x, const float* w, const float* bias, float* y);
void im2col_backward_data(const ConvGeometry& g, const float* dy, const float* w, float* dx);
void im2col_backward_weights(const ConvGeometry& g, const float* x, const float* dy, float* dw);

}  // namespace striate

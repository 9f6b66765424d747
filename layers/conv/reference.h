#pragma once
// Convolution of any shape as its definition reads, in f64: see layers/conv_kernels.h for what the functions
// compute.

#include "layers/conv/epilogue.h"
#include "layers/conv/geometry.h"

namespace striate {

void reference_forward(const ConvGeometry& g, const double* x, const double* w, const ConvEpilogue<double>& epilogue,
                       double* y);
void reference_backward_data(const ConvGeometry& g, const double* dy, const double* w, double* dx);
void reference_backward_weights(const ConvGeometry& g, const double* x, const double* dy, double* dw);

}  // namespace striate

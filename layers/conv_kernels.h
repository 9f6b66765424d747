#pragma once
// The arithmetic of 2-d convolution on raw memory: the one place where a faster algorithm plugs in. double
// runs the plain loops that everything else is held against; float runs gathered rows times Eigen's product.

#include "layers/conv_geometry.h"

namespace striate {

/// y[n,p,q,k] = bias[k] + sum over r,s,c of x[n, p*stride-padding+r*dilation, ..., c] * w[r,s,c,k]. bias may
/// be null.
void conv_forward(const ConvGeometry& g, const float* x, const float* w, const float* bias, float* y);
void conv_forward(const ConvGeometry& g, const double* x, const double* w, const double* bias, double* y);

/// dx = the adjoint of the forward pass in x, applied to dy. Overwrites dx.
void conv_backward_data(const ConvGeometry& g, const float* dy, const float* w, float* dx);
void conv_backward_data(const ConvGeometry& g, const double* dy, const double* w, double* dx);

/// dw = the adjoint of the forward pass in w, applied to dy. Overwrites dw.
void conv_backward_weights(const ConvGeometry& g, const float* x, const float* dy, float* dw);
void conv_backward_weights(const ConvGeometry& g, const double* x, const double* dy, double* dw);

}  // namespace striate

#pragma once
// 3x3 convolution of stride 1 without transforms, channels last: an output row is a product whose left
// operand is read in place, because the 3 pixels under a filter's row are neighbours in memory. For few input
// channels, where Winograd's transforms do not pay, and as the most precise form.

#include "core/dtype.h"
#include "layers/conv/epilogue.h"
#include "layers/conv/shape3x3.h"

namespace striate {

/// y = epilogue(conv(x, w)): shapes and types as winograd_forward.
template <class T>
void direct_forward(const Conv3x3Shape& shape, const T* x, const float* w, const ConvEpilogue<float>& epilogue, T* y);

/// Writes dx.
template <class T>
void direct_backward_data(const Conv3x3Shape& shape, const float* w, const T* dy, T* dx);

/// Writes dw. Partial sums of up to 32 groups of images are added in order.
template <class T>
void direct_backward_weights(const Conv3x3Shape& shape, const T* x, const T* dy, float* dw);

}  // namespace striate

#pragma once
// The filters of a convolution's adjoint: the gradient of x is the convolution of dy with them.

#include <cstddef>

#include "layers/conv/shape3x3.h"

namespace striate {

/// out (taps, filters, channels) = w (taps, channels, filters) with taps in reverse order, which turns a
/// kernel by half, and channels swapped.
void turn_filters(const float* w, std::ptrdiff_t taps, std::ptrdiff_t channels, std::ptrdiff_t filters, float* out);

/// The shape of a 3x3 kernel's convolution of dy; its padding is 2 - padding.
inline Conv3x3Shape turned(const Conv3x3Shape& shape) {
  return {shape.batch, shape.out_height(), shape.out_width(), shape.filters, shape.channels, 2 - shape.padding};
}

}  // namespace striate

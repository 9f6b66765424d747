#pragma once
// The filters of a convolution's adjoint: the gradient of x is the convolution of dy with them.

#include <cstddef>

#include "layers/conv_shape.h"

namespace striate {

/// out (3, 3, filters, channels) = w (3, 3, channels, filters) with taps turned by half and channels swapped.
void turn_filters(const float* w, std::ptrdiff_t channels, std::ptrdiff_t filters, float* out);

/// The shape of that convolution of dy; its padding is 2 - padding.
inline Conv3x3Shape turned(const Conv3x3Shape& shape) {
  return {shape.batch,   shape.out_height(), shape.out_width(),
          shape.filters, shape.channels,     2 - shape.padding};
}

}  // namespace striate

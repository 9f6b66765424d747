#pragma once
// Backward data of a convolution with stride 1 is the forward convolution of dy by flipped filters: turned by 180
// degrees, inputs and outputs exchanged.

#include <cstdint>

#include "core/scratch.h"
#include "layers/conv/algorithm.h"

namespace striate {

/// out (taps, filters, channels) = w (taps, channels, filters) with taps in reverse order.
void flip_filters(const float* w, std::int64_t taps, std::int64_t channels, std::int64_t filters, float* out);

/// The convolution of dy that gives dx; for plain 3x3 kernels.
inline ConvGeometry flipped(const ConvGeometry& g) {
  return {g.n, g.p, g.q, g.k, g.r, g.s, g.c, g.h, g.w, g.stride, 2 - g.padding.height, g.dilation, g.groups};
}

/// Backward data by an algorithm's forward kernel; for plain 3x3 kernels.
template <auto forward, class T>
void backward_data_by_forward(const ConvGeometry& g, ConvOutput<const T> dy, ConvFilter<const float> w,
                              const ConvEpilogue<float>& epilogue, ConvInput<T> dx) {
  Scratch<float> filters(g.filter_size());
  flip_filters(w.data, g.r * g.s, g.c, g.k, filters.data());
  forward(flipped(g), {dy.data}, {filters.data()}, epilogue, {dx.data});
}

}  // namespace striate

#pragma once
// The sizes of one 2-d convolution: checked once in convolution.cpp, then taken as true by every kernel.
// README.md beside this file is the map of the folder.

#include <cstdint>

#include "layers/window.h"

namespace striate {

/// x (n,h,w,c), weight (r,s,c/groups,k), y (n,p,q,k).
struct ConvGeometry {
  std::int64_t n, h, w, c;
  std::int64_t r, s, k;
  std::int64_t p, q;
  Extent2d stride, padding, dilation;
  std::int64_t groups;

  [[nodiscard]] WindowAxis rows() const { return {h, p, r, stride.height, padding.height, dilation.height}; }
  [[nodiscard]] WindowAxis columns() const { return {w, q, s, stride.width, padding.width, dilation.width}; }
  [[nodiscard]] std::int64_t group_inputs() const { return c / groups; }
  [[nodiscard]] std::int64_t group_outputs() const { return k / groups; }
  [[nodiscard]] std::int64_t positions() const { return n * p * q; }
  [[nodiscard]] std::int64_t input_size() const { return n * h * w * c; }
  [[nodiscard]] std::int64_t filter_size() const { return r * s * group_inputs() * k; }
  [[nodiscard]] std::int64_t output_size() const { return positions() * k; }

  /// What the fast 3x3 kernels take: stride 1, dilation 1, one group, padding 0 or 1.
  [[nodiscard]] bool is_plain_3x3() const {
    return c > 0 && r == 3 && s == 3 && stride == Extent2d(1) && dilation == Extent2d(1) && groups == 1 &&
           (padding == Extent2d(0) || padding == Extent2d(1));
  }
};

/// A tensor (batch, height, width, channels).
template <class T>
struct Images {
  T* data;
  std::int64_t height, width, channels;

  [[nodiscard]] T* at(std::int64_t n, std::int64_t h, std::int64_t w) const {
    return data + ((n * height + h) * width + w) * channels;
  }
};

}  // namespace striate

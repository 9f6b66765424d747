#pragma once
// The sizes of one 2-d convolution, checked once and then believed by every kernel.

#include <cstdint>

#include "layers/extent.h"

namespace striate {

/// x (n,h,w,c), weight (r,s,c/groups,k), y (n,p,q,k).
struct ConvGeometry {
  std::int64_t n, h, w, c;
  std::int64_t r, s, k;
  std::int64_t p, q;
  Extent2d stride, padding, dilation;
  std::int64_t groups;

  [[nodiscard]] std::int64_t group_inputs() const { return c / groups; }
  [[nodiscard]] std::int64_t group_outputs() const { return k / groups; }
  [[nodiscard]] std::int64_t positions() const { return n * p * q; }
};

}  // namespace striate

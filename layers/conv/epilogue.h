#pragma once
// What a convolution does to its sums before it stores them (a fused epilogue), so that no pass over memory has to.
// Kernels apply it by apply_epilogue.h.

namespace striate {

/// y = sum + bias; with a norm z = (y - mean) * scale + shift instead, and with relu max(z, 0). One value each
/// for every output channel. bias may be null; without a norm the others are, and relu is false.
template <class P>
struct ConvEpilogue {
  const P* bias = nullptr;
  const P* mean = nullptr;
  const P* scale = nullptr;
  const P* shift = nullptr;
  bool relu = false;
};

}  // namespace striate

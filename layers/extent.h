#pragma once
// A size, step or border in the plane, as kernels, strides, paddings and dilations have it.

#include <cstdint>
#include <string>

namespace striate {

/// Rows and columns; one number stands for both, as in PyTorch: {.kernel_size = 3} or {.kernel_size = {3,
/// 5}}.
struct Extent2d {
  std::int64_t height;
  std::int64_t width;

  Extent2d(std::int64_t both) : height(both), width(both) {}  // NOLINT(google-explicit-constructor): 3 means 3x3
  Extent2d(std::int64_t h, std::int64_t w) : height(h), width(w) {}
  bool operator==(const Extent2d&) const = default;
};

/// "3x5".
inline std::string to_string(const Extent2d& extent) {
  return std::to_string(extent.height) + "x" + std::to_string(extent.width);
}

}  // namespace striate

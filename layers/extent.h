#pragma once
// A size, step or border in the plane, as kernels, strides, paddings and dilations have it.

#include <cstdint>
#include <string>

#include "core/check.h"

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

/// Throws std::invalid_argument unless both sides are `least` or more; `name` is the option.
inline void expect_at_least(const char* op, const std::string& name, const Extent2d& extent, std::int64_t least) {
  expect(extent.height >= least && extent.width >= least, op, name + " of at least " + std::to_string(least), extent);
}

}  // namespace striate

#pragma once
// The sizes of a 3x3 convolution of stride 1, as its fast kernels take them.

#include <cstddef>

namespace striate {

/// x (batch, height, width, channels), w (3, 3, channels, filters) -> y (batch, out_height, out_width,
/// filters).
struct Conv3x3Shape {
  std::ptrdiff_t batch = 0;
  std::ptrdiff_t height = 0;
  std::ptrdiff_t width = 0;
  std::ptrdiff_t channels = 0;
  std::ptrdiff_t filters = 0;
  std::ptrdiff_t padding = 1;  ///< 0 or 1

  [[nodiscard]] std::ptrdiff_t out_height() const { return height + 2 * padding - 2; }
  [[nodiscard]] std::ptrdiff_t out_width() const { return width + 2 * padding - 2; }
};

constexpr std::ptrdiff_t ceil_div(std::ptrdiff_t a, std::ptrdiff_t b) { return (a + b - 1) / b; }
constexpr std::ptrdiff_t round_up(std::ptrdiff_t a, std::ptrdiff_t b) { return ceil_div(a, b) * b; }

}  // namespace striate

#pragma once
// A window that slides over an image, of pooling or convolution: its sizes, and what it covers along one axis.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "core/check.h"
#include "core/integer.h"
#include "core/module.h"

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

/// The shape of a sequence (N,L,C) as images (N,1,L,C), which are the same memory; others stay.
inline Shape with_height(Shape shape) {
  if (shape.size() == 3) shape.insert(shape.begin() + 1, 1);
  return shape;
}

/// Throws std::invalid_argument unless both sides are `least` or more, and below 2^31, so that no place or size that is
/// computed from several of them overflows; `name` is the option.
inline void expect_at_least(const char* op, const std::string& name, const Extent2d& extent, std::int64_t least) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  expect(extent.height >= least && extent.width >= least, op, name + " of at least " + std::to_string(least), extent);
  expect(extent.height <= most && extent.width <= most, op, name + " of at most " + std::to_string(most), extent);
}

/// What a summary shows of it.
inline LayerGeometry window_geometry(const Extent2d& kernel, const Extent2d& stride, const Extent2d& dilation = 1) {
  return {.kernel = std::max((kernel.height - 1) * dilation.height, (kernel.width - 1) * dilation.width) + 1,
          .stride = std::max(stride.height, stride.width)};
}

/// The taps begin .. end-1 of a window that lie inside the input.
struct TapRange {
  std::int64_t begin;
  std::int64_t end;
};

/// Output i reads input place(i, tap) for tap = 0 .. kernel-1, where that is inside.
struct WindowAxis {
  std::int64_t input;
  std::int64_t output;
  std::int64_t kernel;
  std::int64_t stride;
  std::int64_t padding;
  std::int64_t dilation;

  [[nodiscard]] std::int64_t place(std::int64_t i, std::int64_t tap) const {
    return i * stride - padding + tap * dilation;
  }
  [[nodiscard]] TapRange taps_inside(std::int64_t i) const {
    const std::int64_t begin = std::min(kernel, ceil_div(std::max<std::int64_t>(-place(i, 0), 0), dilation));
    const std::int64_t end = ceil_div(std::max<std::int64_t>(input - place(i, 0), 0), dilation);
    return {begin, std::clamp(end, begin, kernel)};
  }
};

/// floor((input + 2*padding - dilation*(kernel-1) - 1) / stride) + 1, or 0 where no window fits. With ceil_mode the
/// division rounds up, but no window starts past the input's end.
inline std::int64_t output_size(const WindowAxis& axis, bool ceil_mode = false) {
  const std::int64_t room =
      axis.input + 2 * axis.padding - axis.dilation * (axis.kernel - 1) - 1 + (ceil_mode ? axis.stride - 1 : 0);
  if (room < 0) return 0;
  const std::int64_t size = room / axis.stride + 1;
  return ceil_mode && (size - 1) * axis.stride >= axis.input + axis.padding ? size - 1 : size;
}

/// Of a transposed window, which goes from `input` places to more: (input - 1)*stride - 2*padding + dilation*(kernel-1)
/// + output_padding + 1, or 0 where that is less than 1 or more than there can be. The axis' own sizes are not read.
inline std::int64_t transposed_output_size(const WindowAxis& axis, std::int64_t input, std::int64_t output_padding) {
  std::int64_t room = 0;
  if (__builtin_mul_overflow(input - 1, axis.stride, &room) || room > std::int64_t{1} << 60) return 0;
  const std::int64_t size = room - 2 * axis.padding + axis.dilation * (axis.kernel - 1) + output_padding + 1;
  return input < 1 ? 0 : std::max<std::int64_t>(size, 0);
}

}  // namespace striate

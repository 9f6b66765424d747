#pragma once
// One axis of a window that slides over an input: of pooling (layers/pooling.h) and of convolution
// (layers/conv/geometry.h).

#include <cstdint>

namespace striate {

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

/// The taps begin .. end-1 of a window that lie inside the input.
struct TapRange {
  std::int64_t begin;
  std::int64_t end;
};

/// Those of taps 0 .. taps-1 with place(tap) in [0, size). Places rise with the taps.
template <class Place>
TapRange taps_inside(std::int64_t taps, std::int64_t size, Place place) {
  TapRange range{0, taps};
  while (range.begin < range.end && place(range.begin) < 0) ++range.begin;
  while (range.begin < range.end && place(range.end - 1) >= size) --range.end;
  return range;
}

}  // namespace striate

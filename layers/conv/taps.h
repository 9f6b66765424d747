#pragma once
// Which positions of one map a kernel's taps read for each position of another, one axis at a time: for kernels that
// take any stride, padding and dilation (im2col.cpp, depthwise.cpp).

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/integer.h"
#include "layers/conv/geometry.h"

namespace striate {

/// A tap of the kernel, and where it reads relative to the position that is computed.
struct Tap {
  std::int64_t index;
  std::int64_t offset;
};

/// Positions i < count of the map that is computed, at first + i*stride on its axis. For position i, a tap reads
/// i*step + tap.offset on the other map's axis, where that is in [0, size). Taps go by rising offsets.
struct TapAxis {
  std::int64_t first, stride, count;
  std::int64_t step, size;
  std::vector<Tap> taps;

  [[nodiscard]] const Tap& tap(std::int64_t i) const { return taps[static_cast<std::size_t>(i)]; }
};

/// Of the forward direction: output positions read the input.
inline TapAxis forward_taps(const WindowAxis& window) {
  TapAxis axis{
      .first = 0, .stride = 1, .count = window.output, .step = window.stride, .size = window.input, .taps = {}};
  for (std::int64_t tap = 0; tap < window.kernel; ++tap) axis.taps.push_back({tap, window.place(0, tap)});
  return axis;
}

/// Of backward data: input positions read the output's gradient. Positions that differ by the stride read by the same
/// taps, so there is an axis for each remainder, and no multiplication by the zeros between. An axis may have no taps.
inline std::vector<TapAxis> backward_taps(const WindowAxis& window) {
  const std::int64_t stride = window.stride;
  std::vector<TapAxis> axes;
  for (std::int64_t first = 0; first < std::min(stride, window.input); ++first) {
    TapAxis axis{.first = first,
                 .stride = stride,
                 .count = ceil_div(window.input - first, stride),
                 .step = 1,
                 .size = window.output,
                 .taps = {}};
    for (std::int64_t tap = window.kernel - 1; tap >= 0; --tap) {
      const std::int64_t reach = first - window.place(0, tap);
      if (reach % stride == 0) axis.taps.push_back({tap, reach / stride});
    }
    axes.push_back(axis);
  }
  return axes;
}

}  // namespace striate

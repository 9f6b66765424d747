#pragma once
// What max and average pooling share: checks, output sizes, and which taps of a window lie inside the input.

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/dtype.h"
#include "core/tensor.h"
#include "layers/extent.h"
#include "layers/window_axis.h"

namespace striate {

/// The taps of every output's window that lie inside the input.
std::vector<TapRange> taps_inside(const WindowAxis& axis);

struct PoolWindow {
  Extent2d kernel_size;
  Extent2d stride;
  Extent2d padding;
  Extent2d dilation;
  bool ceil_mode;
};

struct PoolGeometry {
  std::int64_t batch;
  std::int64_t channels;
  WindowAxis rows;
  WindowAxis columns;

  [[nodiscard]] Shape output_shape() const { return {batch, rows.output, columns.output, channels}; }
};

/// Output sizes are those of output_size(). Throws std::invalid_argument for options outside PyTorch's rules (padding
/// is at most half the kernel) and ShapeError where no window fits.
PoolGeometry check_pool(const char* op, const Tensor& x, const PoolWindow& window);

/// How many rows of `elements` make a chunk of a parallel loop.
inline std::int64_t row_grain(std::int64_t elements) {
  return std::max<std::int64_t>(1, (1 << 15) / std::max<std::int64_t>(1, elements));
}

/// Calls fill(row) with `count` zeroed sums in T's compute type, and stores what it made of them at `to`.
template <class T, class Fill>
void accumulate_row(T* to, std::int64_t count, Fill fill) {
  using P = compute_t<T>;
  if constexpr (std::is_same_v<T, P>) {
    std::fill_n(to, count, P{0});
    fill(to);
  } else {
    std::vector<P> row(static_cast<std::size_t>(count));
    fill(row.data());
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(row[static_cast<std::size_t>(i)]);
  }
}

}  // namespace striate

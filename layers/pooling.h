#pragma once
// What max and average pooling share: checks and output sizes.

#include <algorithm>
#include <cstdint>

#include "layers/max_pool.h"
#include "layers/window.h"

namespace striate {

struct PoolGeometry {
  std::int64_t batch;
  std::int64_t channels;
  WindowAxis rows;
  WindowAxis columns;
};

/// Output sizes are those of output_size(). Throws std::invalid_argument for options outside PyTorch's rules (padding
/// is at most half the kernel) and ShapeError where no window fits.
PoolGeometry check_pool(const char* op, const Tensor& x, const MaxPool2dOptions& window);

/// How many rows of `elements` make a chunk of a parallel loop.
inline std::int64_t row_grain(std::int64_t elements) {
  return std::max<std::int64_t>(1, (1 << 15) / std::max<std::int64_t>(1, elements));
}

}  // namespace striate

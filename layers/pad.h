#pragma once
// How convolutions pad, and borders around images: what they pad with where that is not zeros.

#include <cstdint>

#include "core/tensor.h"
#include "layers/window.h"

namespace striate {

/// What stands in a border, by PyTorch's names.
enum class PaddingMode : std::uint8_t {
  zeros,
  reflect,    ///< the image mirrored, its first and last row not repeated: borders are less than the image
  replicate,  ///< its first or last row again and again
  circular,   ///< its other end: borders are at most the image
};

/// Of a convolution: rows above and below, columns left and right; or same().
struct Padding {
  // NOLINTBEGIN(google-explicit-constructor): 1 means 1 on all sides, as 3 means 3x3 of an Extent2d
  Padding(std::int64_t both) : sides(both) {}
  Padding(const Extent2d& extent) : sides(extent) {}
  // NOLINTEND(google-explicit-constructor)
  Padding(std::int64_t h, std::int64_t w) : sides(h, w) {}

  /// PyTorch's "same", for stride 1: as much as makes the output as large as the input, dilation*(kernel_size-1) in
  /// all, the smaller half of it in front.
  static Padding same() {
    Padding padding = 0;
    padding.is_same = true;
    return padding;
  }

  /// Rows above and columns to the left.
  [[nodiscard]] Extent2d before(const Extent2d& kernel, const Extent2d& dilation) const {
    if (!is_same) return sides;
    return {dilation.height * (kernel.height - 1) / 2, dilation.width * (kernel.width - 1) / 2};
  }

  Extent2d sides;
  bool is_same = false;
};

/// Rows and columns.
struct Borders {
  std::int64_t top = 0;
  std::int64_t bottom = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;
};

/// x (N,H,W,C) -> (N, top+H+bottom, left+W+right, C); of a sequence (N,L,C) the length, by left and right. f32, f64,
/// bf16 or f16. Throws ShapeError where the mode cannot make such borders, and std::invalid_argument for negative ones.
Tensor pad(const Tensor& x, const Borders& borders, PaddingMode mode = PaddingMode::zeros);

}  // namespace striate

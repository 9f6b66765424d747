#pragma once
// One image or recording in memory, as a data set stores it (data/dataset.h) and as transforms take it.

#include <cstdint>
#include <span>
#include <utility>

#include "core/tensor.h"
#include "data/image.h"
#include "data/transform.h"

namespace striate {

struct Picture {
  Tensor held;                          ///< keeps the bytes alive
  std::span<const std::uint8_t> bytes;  ///< of (height,width,channels) values of shape.dtype()
  ImageShape shape;

  Picture(Tensor of, std::span<const std::uint8_t> bytes_of, const ImageShape& shape_of)
      : held(std::move(of)), bytes(bytes_of), shape(shape_of) {}
  /// All of u8 (H,W,C), or with a sample rate of f32 (1,L,C).
  // NOLINTNEXTLINE(google-explicit-constructor): a reader of pictures gives a tensor
  Picture(const Tensor& image, std::int64_t sample_rate = 0);
};

/// What comes out of transforms for one image, not of a batch: (1,H,W,C) of the picture's dtype. `place` as in
/// apply_transforms.
Tensor transformed_picture(const Picture& picture, const Transforms& transforms, const DrawPlace& place = {});

}  // namespace striate

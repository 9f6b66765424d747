#pragma once
// Images at another size: `predict` brings a picture to the size that the model was trained on.

#include "core/tensor.h"

namespace striate {

/// An image u8 (H,W,C) at another size: u8 (height,width,C), filtered in linear steps (stb_image_resize);
/// the image itself where it has that size already. Throws ShapeError for other ranks.
Tensor resized(const Tensor& image, std::int64_t height, std::int64_t width);

}  // namespace striate

#pragma once
#include "core/tensor.h"

namespace striate {

/// An image u8 (H,W,C) at another size: u8 (height,width,C), filtered in linear steps (stb_image_resize). The
/// same handle where the size already fits. Throws ShapeError for other ranks.
Tensor resized(const Tensor& image, std::int64_t height, std::int64_t width);

}  // namespace striate

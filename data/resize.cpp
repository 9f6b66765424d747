#include "data/resize.h"

#include <new>

#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb/stb_image_resize.h>

namespace striate {

Tensor resized(const Tensor& image, std::int64_t height, std::int64_t width) {
  if (image.rank() != 3 || image.numel() == 0 || height < 1 || width < 1) {
    shape_error("resized", "an image must be (H,W,C) and the new size positive: image " + to_string(image.shape()) +
                               ", size " + std::to_string(height) + "x" + std::to_string(width));
  }
  if (image.size(0) == height && image.size(1) == width) return image;
  Tensor result = Tensor::empty({height, width, image.size(2)}, DType::u8);
  const int done =
      stbir_resize_uint8(image.data<std::uint8_t>(), static_cast<int>(image.size(1)), static_cast<int>(image.size(0)),
                         0, result.mutable_data<std::uint8_t>(), static_cast<int>(width), static_cast<int>(height), 0,
                         static_cast<int>(image.size(2)));
  if (done == 0) throw std::bad_alloc();
  return result;
}

}  // namespace striate

#pragma once
// Bilinear resizing with antialiasing, byte for byte Pillow's Image.resize(size, Image.BILINEAR), which is what
// torchvision's Resize does to a picture. The transforms resize and random_resized_crop (data/size_transforms.cpp)
// call it.

#include <cstdint>

namespace striate {

/// An image, or a box of one, read in place: bytes (height,width,channels), the rows row_stride bytes apart.
struct ImageView {
  const std::uint8_t* pixels = nullptr;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t row_stride = 0;
};

/// image -> out: bytes (height,width,channels), which must not overlap it. A value is the mean of the image under a
/// triangle: in source pixels, centred at (x + 1/2) * scale with half-width max(1, scale), scale = image.width / width;
/// outside of the image there is nothing, the rest is weighted more. Rows first, rounded to bytes, then columns. All
/// sides 1 .. kMostOfASide.
void resize_bilinear(const ImageView& image, std::int64_t height, std::int64_t width, std::uint8_t* out);

/// The same of label maps: pixel (y, x) of the result is the pixel of the image under its middle, as Pillow's
/// Image.NEAREST.
void resize_nearest(const ImageView& image, std::int64_t height, std::int64_t width, std::uint8_t* out);

}  // namespace striate

#pragma once
// Single images: image folders (data/image_folder.cpp) and `predict` read files and bring them to a size.

#include <cstdint>
#include <filesystem>

#include "core/tensor.h"

namespace striate {

/// True for the extensions that read_image understands: jpg, jpeg, png, bmp, gif, tga, ppm (in any case).
bool is_image_file(const std::filesystem::path& file);

/// Grey of a colour, as ITU-R 601 weights it and Pillow's convert("L") rounds it.
inline std::uint8_t luma(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

/// Decodes an image file: u8 (H,W,channels) of 3 channels or 1. Colour becomes luma() in one channel, grey three equal
/// channels; alpha is dropped. Throws FileError with the decoder's reason where it cannot.
Tensor read_image(const std::filesystem::path& file, std::int64_t channels = 3);

/// An image u8 (H,W,C) at another size: u8 (height,width,C), filtered in linear steps (stb_image_resize); the image
/// itself where it has that size already. Throws ShapeError for other ranks.
Tensor resized(const Tensor& image, std::int64_t height, std::int64_t width);

}  // namespace striate

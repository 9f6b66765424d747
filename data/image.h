#pragma once
// Single image files.

#include <filesystem>

#include "core/tensor.h"

namespace striate {

/// True for the extensions that read_image understands: jpg, jpeg, png, bmp, gif, tga, ppm (in any case).
bool is_image_file(const std::filesystem::path& file);

/// Decodes an image file: u8 (H,W,3). Grey becomes three equal channels; alpha is dropped. Throws FileError
/// with the decoder's reason where it cannot.
Tensor read_image(const std::filesystem::path& file);

}  // namespace striate

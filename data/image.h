#pragma once
// Single images: image folders (data/image_folder.cpp) and `predict` read files and bring them to a size.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// The shape of one image, or of one recording: of height 1, its length as the width.
struct ImageShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t sample_rate = 0;  ///< 0: a picture, of u8; else a recording of so many samples a second, of f32

  [[nodiscard]] std::int64_t numel() const { return height * width * channels; }
  [[nodiscard]] bool is_recording() const { return sample_rate > 0; }
  [[nodiscard]] DType dtype() const { return is_recording() ? DType::f32 : DType::u8; }
  [[nodiscard]] std::int64_t bytes() const { return numel() * (is_recording() ? 4 : 1); }
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
};

/// "32x32x3", "8000 samples x1 at 8000 Hz"; "any size x3", "any length x1 at 8000 Hz" where height and width are 0.
std::string to_string(const ImageShape& shape);

/// What a picture may have without being taken for a trap (Pillow's figure): a quarter of a GiB when decoded.
inline constexpr std::int64_t kMaxPixels = 89478485;

/// Of a side of a picture, decoded or resized.
inline constexpr std::int64_t kMostOfASide = 65535;

/// True for the endings of what decode_image understands: jpg, jpeg, jpe, jfif, png, bmp, gif, ppm, pgm, pnm (in any
/// case).
bool is_image_file(const std::filesystem::path& file);

/// Grey of a colour, as ITU-R 601 weights it and Pillow's convert("L") rounds it.
inline std::uint8_t luma(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

/// Decodes JPEG, PNG, BMP, GIF (the first picture), PPM and PGM, told by their first bytes: u8 (H,W,channels) of 3
/// channels or 1. Colours are those of Pillow's convert("RGB") with what is transparent over white; 16 bits are scaled
/// to eight, and Exif's orientation in JPEG and PNG is applied. Colour becomes luma() in one channel, grey three equal
/// channels. Throws std::runtime_error with the reason for what is truncated, damaged or of another kind, and for more
/// pixels than max_pixels or than the bytes can hold.
Tensor decode_image(std::span<const std::uint8_t> bytes, std::int64_t channels = 3,
                    std::int64_t max_pixels = kMaxPixels);

/// The same of a file. Throws FileError.
Tensor read_image(const std::filesystem::path& file, std::int64_t channels = 3, std::int64_t max_pixels = kMaxPixels);

/// The values of a PNG of one channel as they are stored, u8 (H,W,1): indices into a palette, whatever its colours, or
/// grey of up to 8 bits. Throws FileError, for colours and 16 bits too.
Tensor read_indices(const std::filesystem::path& file, std::int64_t max_pixels = kMaxPixels);

/// A PNG of u8 (H,W,3), or of (H,W,1): indices into the palette, three bytes a colour, or grey without one. Throws
/// std::invalid_argument for other tensors and palettes.
std::vector<std::uint8_t> encode_png(const Tensor& image, std::span<const std::uint8_t> palette = {});

}  // namespace striate

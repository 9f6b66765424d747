#pragma once
// The decoders behind decode_image (data/image.h), one for each kind of file. Each gives bytes (height,width,3) with
// the colours of Pillow's convert("RGB"), upright and over white, and throws DecodeError for whatever is not a whole,
// undamaged picture.

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "core/tensor.h"

namespace striate {

/// Why bytes are no picture, without the name of the file.
struct DecodeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A file of a picture, and how many pixels it may have.
struct Encoded {
  std::span<const std::uint8_t> bytes;
  std::int64_t max_pixels;
};

/// Memory for the pixels. Throws DecodeError for sizes below 1, for more pixels than allowed, and for more than the
/// bytes can hold: `per_byte` is what the kind of file can pack into a byte at most. So a few bytes never take much
/// memory.
Tensor picture_of(std::uint64_t height, std::uint64_t width, const Encoded& from, std::uint64_t per_byte,
                  std::int64_t channels = 3);

Tensor decode_jpeg(const Encoded& from);
Tensor decode_png(const Encoded& from);
/// (height,width,1): as read_indices (data/image.h).
Tensor decode_png_indices(const Encoded& from);
Tensor decode_bmp(const Encoded& from);
Tensor decode_pnm(const Encoded& from);
Tensor decode_gif(const Encoded& from);

/// A colour of some opacity over white, as Pillow's Image.paste with a mask rounds it.
inline std::uint8_t over_white(unsigned colour, unsigned alpha) {
  const unsigned sum = colour * alpha + 255 * (255 - alpha) + 128;
  return static_cast<std::uint8_t>(((sum >> 8U) + sum) >> 8U);
}

}  // namespace striate

#include "data/image.h"

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <string_view>

#include "core/check.h"
#include "core/file.h"
#include "data/decoders.h"
#include "data/format.h"

namespace striate {

std::string to_string(const ImageShape& shape) {
  const bool varies = shape.height == 0 && shape.width == 0;
  if (shape.is_recording()) {
    return (varies ? "any length" : std::to_string(shape.width) + " samples") + " x" + std::to_string(shape.channels) +
           " at " + std::to_string(shape.sample_rate) + " Hz";
  }
  if (varies) return "any size x" + std::to_string(shape.channels);
  return std::to_string(shape.height) + "x" + std::to_string(shape.width) + "x" + std::to_string(shape.channels);
}

namespace {

/// A kind of file by its first bytes, and those that are not read, to say so.
struct Kind {
  std::string_view start;
  const char* name;
  Tensor (*decode)(const Encoded&) = nullptr;
};

constexpr std::array kKinds = {Kind{"\xff\xd8\xff", "JPEG", decode_jpeg},
                               Kind{"\x89PNG\r\n\x1a\n", "PNG", decode_png},
                               Kind{"BM", "BMP", decode_bmp},
                               Kind{"P6", "PPM", decode_pnm},
                               Kind{"P5", "PGM", decode_pnm},
                               Kind{"GIF8", "GIF", decode_gif},
                               Kind{"RIFF", "WebP"},
                               Kind{{"II*\0", 4}, "TIFF"},
                               Kind{{"MM\0*", 4}, "TIFF"},
                               Kind{"P1", "PBM"},
                               Kind{"P2", "plain PGM"},
                               Kind{"P3", "plain PPM"},
                               Kind{"P4", "PBM"},
                               Kind{"8BPS", "Photoshop"}};

Tensor decode_colours(const Encoded& from) {
  const std::string_view text(reinterpret_cast<const char*>(from.bytes.data()), from.bytes.size());
  if (text.empty()) throw DecodeError("the file is empty");
  for (const Kind& kind : kKinds) {
    if (!text.starts_with(kind.start)) continue;
    if (kind.decode != nullptr) return kind.decode(from);
    throw DecodeError(std::string("a ") + kind.name + " file; convert it to PNG");
  }
  throw DecodeError("it begins as none of JPEG, PNG, BMP, GIF, PPM and PGM; convert it to PNG");
}

/// The bytes that a file of a picture may have. No format takes more than 8 for a pixel, and the rest (a camera's
/// preview, profiles) is small.
std::uint64_t most_bytes(std::int64_t max_pixels) {
  constexpr std::int64_t beside = std::int64_t{1} << 26U;
  return static_cast<std::uint64_t>(beside + 8 * std::clamp<std::int64_t>(max_pixels, 0, std::int64_t{1} << 48U));
}

}  // namespace

bool is_image_file(const std::filesystem::path& file) {
  constexpr std::array known = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".pnm"};
  return std::find(known.begin(), known.end(), lower_case(file.extension().string())) != known.end();
}

Tensor picture_of(std::uint64_t height, std::uint64_t width, const Encoded& from, std::uint64_t per_byte,
                  std::int64_t channels) {
  const std::string size = std::to_string(width) + "x" + std::to_string(height) + " pixels";
  if (height < 1 || width < 1 || std::max(height, width) > std::uint64_t{kMostOfASide}) {
    throw DecodeError("its size is " + size + ", and a side can have 1 .. " + std::to_string(kMostOfASide));
  }
  const auto fits = [&](std::uint64_t most) { return height <= most / width; };
  if (!fits(per_byte * from.bytes.size())) {
    throw DecodeError("it says that it has " + size + ", which its " + std::to_string(from.bytes.size()) +
                      " bytes cannot hold: it is truncated or damaged");
  }
  if (!fits(static_cast<std::uint64_t>(from.max_pixels))) {
    throw DecodeError("it says that it has " + size + ", more than " + std::to_string(from.max_pixels) +
                      "; if it is good, raise the limit (--max-pixels)");
  }
  return Tensor::empty({static_cast<std::int64_t>(height), static_cast<std::int64_t>(width), channels}, DType::u8);
}

Tensor decode_image(std::span<const std::uint8_t> bytes, std::int64_t channels, std::int64_t max_pixels) {
  expect(channels == 1 || channels == 3, "decode_image", "1 or 3 channels", channels);
  expect(max_pixels >= 1, "decode_image", "at least 1 pixel", max_pixels);
  const Tensor colours = decode_colours({bytes, max_pixels});
  if (channels == 3) return colours;
  Tensor image = Tensor::empty({colours.size(0), colours.size(1), 1}, DType::u8);
  const auto* pixel = colours.data<std::uint8_t>();
  auto* grey = image.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < image.numel(); ++i, pixel += 3) grey[i] = luma(pixel[0], pixel[1], pixel[2]);
  return image;
}

namespace {

/// Of a file's bytes; what is wrong with them is told with its name.
template <class Decode>
Tensor decoded(const std::filesystem::path& file, std::int64_t max_pixels, const Decode& decode) {
  const std::vector<std::uint8_t> bytes = read_bytes(file, most_bytes(max_pixels));
  try {
    return decode(bytes);
  } catch (const DecodeError& error) {
    throw FileError(file.string(), std::string("cannot be decoded as an image: ") + error.what());
  } catch (const std::bad_alloc&) {
    throw FileError(file.string(), "cannot be decoded as an image: there is not enough memory for its pixels");
  }
}

}  // namespace

Tensor read_image(const std::filesystem::path& file, std::int64_t channels, std::int64_t max_pixels) {
  return decoded(file, max_pixels, [&](const auto& bytes) { return decode_image(bytes, channels, max_pixels); });
}

Tensor read_indices(const std::filesystem::path& file, std::int64_t max_pixels) {
  return decoded(file, max_pixels, [&](const auto& bytes) { return decode_png_indices({bytes, max_pixels}); });
}

}  // namespace striate

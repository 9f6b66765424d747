// Pictures that are stored as they are: BMP as Windows writes it, and PPM and PGM (P6, P5) of 8 or 16 bits.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "data/decoders.h"

namespace striate {

namespace {

/// The bytes from a place on, `count` of them. Throws DecodeError where the file ends before.
std::span<const std::uint8_t> part(const Encoded& from, std::uint64_t at, std::uint64_t count) {
  if (at > from.bytes.size() || count > from.bytes.size() - at) {
    throw DecodeError("the file is truncated: it has " + std::to_string(from.bytes.size()) + " bytes and needs " +
                      std::to_string(at + count));
  }
  return from.bytes.subspan(at, count);
}

/// Little-endian, of 2 or 4 bytes.
std::uint32_t number(const Encoded& from, std::uint64_t at, std::uint64_t count) {
  std::uint32_t value = 0;
  const auto bytes = part(from, at, count);
  for (std::size_t i = count; i-- > 0;) value = value << 8U | bytes[i];
  return value;
}

}  // namespace

Tensor decode_bmp(const Encoded& from) {
  constexpr std::uint64_t header = 14;
  constexpr std::uint32_t plain = 0;
  constexpr std::uint32_t with_masks = 3;
  const std::uint64_t info_bytes = number(from, header, 4);
  const auto width = static_cast<std::int32_t>(number(from, header + 4, 4));
  const auto height = static_cast<std::int32_t>(number(from, header + 8, 4));  // negative: rows from the top
  const std::uint32_t bits = number(from, header + 14, 2);
  const std::uint32_t coding = number(from, header + 16, 4);
  // Masks are right where they say what 32 bits have without them: blue, green, red.
  const bool usual =
      coding == plain || (coding == with_masks && bits == 32 && number(from, header + 40, 4) == 0xff0000 &&
                          number(from, header + 44, 4) == 0xff00 && number(from, header + 48, 4) == 0xff);
  if (info_bytes < 40 || !usual || (bits != 1 && bits != 4 && bits != 8 && bits != 24 && bits != 32)) {
    throw DecodeError("a BMP file of a rare kind (" + std::to_string(bits) + " bits, coding " + std::to_string(coding) +
                      "); convert it to PNG");
  }
  const auto rows = static_cast<std::uint64_t>(std::abs(std::int64_t{height}));
  Tensor picture = picture_of(rows, width < 0 ? 0 : static_cast<std::uint64_t>(width), from, 8);
  std::uint64_t colours = number(from, header + 32, 4);
  if (colours == 0 || colours > 256) colours = std::uint64_t{1} << std::min(bits, 8U);
  const auto palette = part(from, header + info_bytes, bits <= 8 ? 4 * colours : 0);
  const std::uint64_t first = number(from, 10, 4);
  const auto columns = static_cast<std::uint64_t>(width);
  const std::uint64_t stride = (columns * bits + 31) / 32 * 4;
  auto* out = picture.mutable_data<std::uint8_t>();
  for (std::uint64_t row = 0; row < rows; ++row) {
    const auto bytes = part(from, first + (height < 0 ? row : rows - 1 - row) * stride, stride);
    for (std::uint64_t x = 0; x < columns; ++x) {
      auto pixel = bits > 8 ? bytes.subspan(x * bits / 8, 3) : palette;
      if (bits <= 8) {
        const std::uint64_t index = (bytes[x * bits / 8] >> (8 - bits - x * bits % 8)) & ((1U << bits) - 1);
        if (index >= colours) throw DecodeError("a colour that its palette does not have");
        pixel = palette.subspan(4 * index, 3);
      }
      for (std::size_t c = 3; c-- > 0;) *out++ = pixel[c];
    }
  }
  return picture;
}

Tensor decode_pnm(const Encoded& from) {
  std::uint64_t at = 1;
  const std::uint64_t channels = part(from, at++, 1)[0] == '6' ? 3 : 1;
  // A number behind spaces and comments, and the one byte behind it.
  const auto next_number = [&] {
    std::uint8_t byte = part(from, at++, 1)[0];
    for (; std::isspace(byte) != 0 || byte == '#'; byte = part(from, at++, 1)[0]) {
      while (byte == '#' && part(from, at, 1)[0] != '\n') ++at;
    }
    std::uint64_t value = 0;
    for (; byte >= '0' && byte <= '9' && value < (1U << 30U); byte = part(from, at++, 1)[0]) {
      value = 10 * value + (byte - '0');
    }
    if (std::isspace(byte) == 0) throw DecodeError("its header holds something else than numbers");
    return value;
  };
  const std::uint64_t width = next_number();
  const std::uint64_t height = next_number();
  const std::uint64_t most = next_number();
  if (most < 1 || most > 65535)
    throw DecodeError("the most of its values is " + std::to_string(most) + ", not 1 .. 65535");
  const std::uint64_t value_bytes = most > 255 ? 2 : 1;
  Tensor picture = picture_of(height, width, from, 1);
  const auto values = part(from, at, height * width * channels * value_bytes);
  std::vector<std::uint8_t> scaled(most + 1);  // rounded as Pillow does
  for (std::uint64_t v = 0; v <= most; ++v) {
    scaled[v] = static_cast<std::uint8_t>(std::nearbyint(static_cast<double>(v) / static_cast<double>(most) * 255));
  }
  auto* out = picture.mutable_data<std::uint8_t>();
  for (std::uint64_t i = 0; i < values.size(); i += value_bytes) {
    const std::uint64_t value = value_bytes == 2 ? std::uint64_t{values[i]} << 8U | values[i + 1] : values[i];
    out = std::fill_n(out, 3 / channels, scaled[std::min(value, most)]);
  }
  return picture;
}

}  // namespace striate

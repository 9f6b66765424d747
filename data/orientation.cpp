#include "data/orientation.h"

#include <algorithm>
#include <string_view>

namespace striate {

int exif_orientation(std::span<const std::uint8_t> exif) {
  constexpr std::uint64_t kTag = 0x0112;
  constexpr std::uint64_t kShort = 3;
  constexpr std::size_t kEntryBytes = 12;
  const std::string_view text(reinterpret_cast<const char*>(exif.data()), exif.size());
  const bool little = text.starts_with(std::string_view("II*\0", 4));
  if (!little && !text.starts_with(std::string_view("MM\0*", 4))) return 1;
  // 0 beyond the end, which no field that matters here is.
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      const std::size_t place = at + (little ? bytes - 1 - i : i);
      value = value << 8U | (place < exif.size() ? exif[place] : 0U);
    }
    return value;
  };
  const std::size_t directory = number(4, 4);
  const std::uint64_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > exif.size()) return 1;
    if (number(entry, 2) != kTag || number(entry + 2, 2) != kShort) continue;
    const std::uint64_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Tensor upright(const Tensor& picture, int orientation) {
  if (orientation == 1) return picture;
  const std::int64_t in_height = picture.size(0);
  const std::int64_t in_width = picture.size(1);
  const std::int64_t channels = picture.size(2);
  const bool turned = orientation >= 5;
  const std::int64_t height = turned ? in_width : in_height;
  const std::int64_t width = turned ? in_height : in_width;
  // The axes are swapped last, and so mirrored by what the result shows.
  const bool up_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool left_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Tensor result = Tensor::empty({height, width, channels}, DType::u8);
  const auto* in = picture.data<std::uint8_t>();
  auto* out = result.mutable_data<std::uint8_t>();
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x, out += channels) {
      const std::int64_t row = turned ? x : y;
      const std::int64_t column = turned ? y : x;
      const std::int64_t from =
          (up_down ? in_height - 1 - row : row) * in_width + (left_right ? in_width - 1 - column : column);
      std::copy_n(in + from * channels, channels, out);
    }
  }
  return result;
}

}  // namespace striate

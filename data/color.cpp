#include "data/color.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "data/image.h"

namespace striate {

namespace {

// Everything is float or double as in Pillow, and must be rounded where Pillow rounds: see data/CMakeLists.txt.

std::uint8_t blend(std::int32_t lacking, std::int32_t value, float factor) {
  const float mixed = static_cast<float>(lacking) + factor * static_cast<float>(value - lacking);
  return static_cast<std::uint8_t>(std::clamp(mixed, 0.0F, 255.0F));
}

/// With one value everywhere.
void blend_all(std::span<std::uint8_t> image, std::int32_t lacking, double factor) {
  std::array<std::uint8_t, 256> table{};
  for (std::int32_t v = 0; v < 256; ++v) {
    table[static_cast<std::size_t>(v)] = blend(lacking, v, static_cast<float>(factor));
  }
  for (std::uint8_t& value : image) value = table[value];
}

struct Hsv {
  std::uint8_t hue, saturation, value;
};

Hsv to_hsv(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  const std::uint8_t most = std::max({red, green, blue}), least = std::min({red, green, blue});
  if (most == least) return {0, 0, most};
  const auto range = static_cast<float>(most - least);
  const float r = static_cast<float>(most - red) / range;
  const float g = static_cast<float>(most - green) / range;
  const float b = static_cast<float>(most - blue) / range;
  float sixths = b - g;
  if (red != most) sixths = static_cast<float>(green == most ? 2.0 + r - b : 4.0 + g - r);
  double turn = sixths / 6.0 + 1.0;
  if (turn >= 1) turn -= 1;
  const float saturation = range / static_cast<float>(most);
  return {static_cast<std::uint8_t>(static_cast<float>(turn) * 255.0), static_cast<std::uint8_t>(saturation * 255.0),
          most};
}

/// The way back for hues turned by `shift` 255ths of the circle.
class ToRgb {
 public:
  explicit ToRgb(std::uint8_t shift) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const double sixths = static_cast<float>(static_cast<std::uint8_t>(byte + shift)) * 6.0 / 255.0;
      const auto whole = static_cast<int>(sixths);
      sector_[byte] = whole % 6;
      part_[byte] = static_cast<float>(sixths - static_cast<float>(whole));
      saturation_[byte] = static_cast<float>(static_cast<float>(byte) / 255.0);
    }
  }

  void operator()(const Hsv& from, std::uint8_t* pixel) const {
    const float part = part_[from.hue], saturation = saturation_[from.saturation];
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): nothing is negative, and lround() would be a call
    const auto rounded = [&](double share) { return static_cast<std::uint8_t>(from.value * share + 0.5); };
    const std::array<std::uint8_t, 4> values = {from.value, rounded(1.0 - saturation * (1.0 - part)),
                                                rounded(1.0 - saturation * part), rounded(1.0 - saturation)};
    // Of red, green and blue in each sixth of the circle.
    enum : std::uint8_t { most, rising, falling, least };
    constexpr std::uint8_t kinds[6][3] = {{most, rising, least},  {falling, most, least}, {least, most, rising},
                                          {least, falling, most}, {rising, least, most},  {most, least, falling}};
    for (int c = 0; c < 3; ++c) pixel[c] = values[kinds[sector_[from.hue]][c]];
  }

 private:
  std::array<int, 256> sector_{};
  std::array<float, 256> part_{};
  std::array<float, 256> saturation_{};
};

}  // namespace

void adjust_brightness(std::span<std::uint8_t> image, double factor) { blend_all(image, 0, factor); }

void adjust_contrast(std::span<std::uint8_t> image, std::int64_t channels, double factor) {
  std::int64_t sum = 0;
  if (channels == 3) {
    for (std::size_t i = 0; i < image.size(); i += 3) sum += luma(image[i], image[i + 1], image[i + 2]);
  } else {
    for (const std::uint8_t value : image) sum += value;
  }
  const auto pixels = static_cast<std::int64_t>(image.size()) / channels;
  const double mean = static_cast<double>(sum) / static_cast<double>(pixels);
  blend_all(image, static_cast<std::int32_t>(std::floor(mean + 0.5)), factor);
}

void adjust_saturation(std::span<std::uint8_t> image, std::int64_t channels, double factor) {
  if (channels != 3) return;
  std::vector<std::uint8_t> grey(image.size());
  for (std::size_t i = 0; i < image.size(); i += 3) {
    grey[i] = grey[i + 1] = grey[i + 2] = luma(image[i], image[i + 1], image[i + 2]);
  }
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = blend(grey[i], image[i], static_cast<float>(factor));
}

void adjust_sharpness(std::span<std::uint8_t> image, const ImageShape& shape, double factor) {
  const std::vector<std::uint8_t> before(image.begin(), image.end());
  const std::int64_t step = shape.channels, stride = shape.width * shape.channels;
  for (std::int64_t y = 1; y < shape.height - 1; ++y) {
    const std::uint8_t* row = before.data() + y * stride;
    std::uint8_t* out = image.data() + y * stride;
    for (std::int64_t i = step; i < stride - step; ++i) {
      const auto three = [&](const std::uint8_t* at) { return at[-step] + at[0] + at[step]; };
      const std::int32_t sum = three(row + i - stride) + three(row + i) + three(row + i + stride) + 4 * row[i];
      out[i] = blend((2 * sum + 13) / 26, row[i], static_cast<float>(factor));
    }
  }
}

void adjust_hue(std::span<std::uint8_t> image, std::int64_t channels, double turn) {
  if (channels != 3) return;
  const ToRgb to_rgb(static_cast<std::uint8_t>(static_cast<std::int32_t>(turn * 255)));
  for (std::size_t i = 0; i < image.size(); i += 3) to_rgb(to_hsv(image[i], image[i + 1], image[i + 2]), &image[i]);
}

}  // namespace striate

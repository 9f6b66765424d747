#include "apps/report/picture.h"

#include <spdlog/fmt/fmt.h>
#include <stb/stb_easy_font.h>

#include <algorithm>
#include <cmath>

#include "core/elementwise.h"
#include "data/image.h"
#include "data/picture.h"
#include "layers/upsample.h"

namespace striate::cli {
namespace {

// Of equal steps, with brightness (CIE L*) from 10 to 95 and a hue that goes from blue to yellow.
constexpr std::array<Colour, 9> kHeat = {{{27, 24, 51},
                                          {9, 51, 90},
                                          {2, 79, 110},
                                          {4, 108, 128},
                                          {1, 140, 143},
                                          {3, 172, 145},
                                          {2, 208, 109},
                                          {159, 231, 75},
                                          {255, 242, 162}}};

// stb_easy_font reads and writes chars, and makes letters of rectangles.
std::string printable_ascii(const std::string& text) {
  std::string line = text;
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

// Black where it is no number.
std::uint8_t byte_of(double value) {
  return std::isnan(value) ? 0 : static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

// A picture from the colour of every place.
template <class ColourAt>
Tensor drawn(std::int64_t height, std::int64_t width, const ColourAt& colour_at) {
  Tensor picture = Tensor::empty({height, width, 3}, DType::u8);
  auto* out = picture.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < height * width; ++i, out += 3) {
    const Colour colour = colour_at(i);
    std::copy(colour.begin(), colour.end(), out);
  }
  return picture;
}

// Pixel i of a picture of three channels or one.
Colour pixel(const Tensor& picture, std::int64_t i) {
  const std::int64_t channels = picture.size(2);
  const std::uint8_t* at = picture.data<std::uint8_t>() + i * channels;
  return channels == 1 ? Colour{at[0], at[0], at[0]} : Colour{at[0], at[1], at[2]};
}

// Every pixel as a square of so many.
Tensor enlarged(const Tensor& picture, std::int64_t factor) {
  const std::int64_t width = picture.size(1) * factor;
  return drawn(picture.size(0) * factor, width, [&](std::int64_t i) {
    return pixel(picture, i / width / factor * picture.size(1) + i % width / factor);
  });
}

}  // namespace

Canvas::Canvas(std::int64_t height, std::int64_t width, Colour background)
    : pixels_(drawn(height, width, [&](std::int64_t) { return background; })) {}

void Canvas::paste(std::int64_t top, std::int64_t left, const Tensor& picture) {
  for (std::int64_t i = 0; i < picture.size(0) * picture.size(1); ++i) {
    fill(top + i / picture.size(1), left + i % picture.size(1), 1, 1, pixel(picture, i));
  }
}

void Canvas::fill(std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width, Colour colour) {
  auto* out = pixels_.mutable_data<std::uint8_t>();
  const std::int64_t bottom = std::min(top + height, pixels_.size(0)), right = std::min(left + width, pixels_.size(1));
  for (std::int64_t y = std::max<std::int64_t>(0, top); y < bottom; ++y) {
    for (std::int64_t x = std::max<std::int64_t>(0, left); x < right; ++x)
      std::copy(colour.begin(), colour.end(), out + 3 * (y * pixels_.size(1) + x));
  }
}

void Canvas::square(std::int64_t top, std::int64_t left, std::int64_t side, Colour colour, std::int64_t dash) {
  constexpr std::int64_t kThickness = 2;
  for (std::int64_t at = 0; at < side; ++at) {
    if (dash > 0 && at / dash % 2 == 1) continue;
    for (const std::int64_t edge : {std::int64_t{0}, side - kThickness}) {
      fill(top + edge, left + at, kThickness, 1, colour);
      fill(top + at, left + edge, 1, kThickness, colour);
    }
  }
}

void Canvas::write(std::int64_t top, std::int64_t left, const std::string& text) {
  struct Corner {
    float x, y, z;
    std::array<unsigned char, 4> colour;
  };
  std::string line = printable_ascii(text);
  std::vector<std::array<Corner, 4>> strokes(8 * line.size() + 8);
  const int count = stb_easy_font_print(0, 0, line.data(), nullptr, strokes.data(),
                                        static_cast<int>(strokes.size() * sizeof(strokes[0])));
  for (const auto& stroke : std::span(strokes).first(static_cast<std::size_t>(count))) {
    const Corner &from = stroke[0], &to = stroke[2];
    fill(top + std::lround(from.y), left + std::lround(from.x), std::lround(to.y - from.y), std::lround(to.x - from.x),
         kBlack);
  }
}

std::int64_t width_of(const std::string& text) {
  std::string line = printable_ascii(text);
  return stb_easy_font_width(line.data());
}

Tensor in_grid(const std::vector<Captioned>& pictures, std::int64_t columns, std::int64_t gap) {
  const std::int64_t count = std::ssize(pictures);
  columns = std::clamp<std::int64_t>(columns, 1, std::max<std::int64_t>(1, count));
  std::int64_t cell = 1;
  std::vector<std::int64_t> tops = {0};  // of the rows, and where the last ends
  for (std::int64_t i = 0; i < count; ++i) {
    const auto& [picture, caption] = pictures[static_cast<std::size_t>(i)];
    cell = std::max(cell, picture.size(1));
    for (const std::string& line : caption) cell = std::max(cell, width_of(line));
    if (i % columns == 0) tops.push_back(0);
    const std::int64_t height = picture.size(0) + kLineHeight * std::ssize(caption);
    tops.back() = std::max(tops.back(), tops[tops.size() - 2] + height + gap);
  }
  Canvas canvas(std::max<std::int64_t>(1, tops.back() - gap), columns * (cell + gap) - gap);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto& [picture, caption] = pictures[static_cast<std::size_t>(i)];
    const std::int64_t left = i % columns * (cell + gap);
    std::int64_t top = tops[static_cast<std::size_t>(i / columns)];
    canvas.paste(top, left, picture);
    top += picture.size(0);
    for (const std::string& line : caption) {
      canvas.write(top + 2, left, line);
      top += kLineHeight;
    }
  }
  return canvas.picture();
}

Tensor grey_picture(const Tensor& values) {
  const std::vector<double> all = values.to_vector();
  const auto [low, high] = std::minmax_element(all.begin(), all.end());
  const double scale = *high > *low ? 255 / (*high - *low) : 0;
  Tensor picture = Tensor::empty({values.size(0), values.size(1), 1}, DType::u8);
  std::transform(all.begin(), all.end(), picture.mutable_data<std::uint8_t>(),
                 [&, least = *low](double value) { return byte_of((value - least) * scale); });
  return picture;
}

Tensor heat_picture(const Tensor& values, double most) {
  const std::vector<double> all = values.to_vector();
  return drawn(values.size(0), values.size(1), [&](std::int64_t i) {
    const double over = all[static_cast<std::size_t>(i)] / most;
    const double share = most > 0 && over > 0 ? std::min(over, 1.0) : 0;  // of what is no number, too
    const double place = share * (kHeat.size() - 1);
    const auto from = std::min(static_cast<std::size_t>(place), kHeat.size() - 2);
    const double part = place - static_cast<double>(from);
    Colour colour{};
    for (std::size_t c = 0; c < 3; ++c) colour[c] = byte_of(kHeat[from][c] * (1 - part) + kHeat[from + 1][c] * part);
    return colour;
  });
}

Tensor waveform_picture(const Tensor& recording, double most, std::int64_t height, std::int64_t width) {
  const std::vector<double> samples = recording.to_vector();
  const std::int64_t channels = recording.size(-1), length = recording.size(-2);
  Canvas canvas(height, width, {232, 232, 232});
  for (std::int64_t x = 0; x < width; ++x) {
    double low = most, high = -most;
    for (std::int64_t i = x * length / width; i < std::max((x + 1) * length / width, x * length / width + 1); ++i) {
      low = std::min(low, samples[static_cast<std::size_t>(i * channels)]);
      high = std::max(high, samples[static_cast<std::size_t>(i * channels)]);
    }
    const auto row = [&](double value) { return std::lround((1 - value / most) / 2 * double(height - 1)); };
    canvas.fill(row(high), x, row(low) - row(high) + 1, 1, {9, 51, 90});
  }
  return canvas.picture();
}

Tensor blended(const Tensor& picture, const Tensor& heat) {
  return drawn(heat.size(0), heat.size(1), [&](std::int64_t i) {
    const Colour p = pixel(picture, i), h = pixel(heat, i);
    const int grey = luma(p[0], p[1], p[2]);
    return Colour{byte_of((grey + h[0]) / 2.0), byte_of((grey + h[1]) / 2.0), byte_of((grey + h[2]) / 2.0)};
  });
}

Tensor sized(const Tensor& picture, std::int64_t side) {
  const std::int64_t height = picture.size(0), width = picture.size(1), longer = std::max(height, width);
  if (longer <= side) return enlarged(picture, side / longer);
  const auto scaled = [&](std::int64_t length) { return std::max<std::int64_t>(1, length * side / longer); };
  const std::string resize = fmt::format("resize:height={},width={}", scaled(height), scaled(width));
  const Tensor smaller = transformed_picture(picture, make_transforms({resize}));
  return enlarged(smaller.viewed_as({scaled(height), scaled(width), picture.size(2)}), 1);
}

Tensor stretched(const Tensor& values, std::int64_t height, std::int64_t width) {
  const Tensor image = cast(values, DType::f64).viewed_as({1, values.size(-2), values.size(-1), 1});
  return interpolate(image, {.size = Extent2d(height, width), .mode = UpsampleMode::bilinear})
      .viewed_as({height, width});
}

}  // namespace striate::cli

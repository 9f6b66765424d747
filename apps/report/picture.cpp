#include "apps/report/picture.h"

#include <stb/stb_easy_font.h>

#include <algorithm>
#include <cmath>

#include "core/elementwise.h"
#include "data/image.h"
#include "data/resize.h"
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

Tensor of_size(std::int64_t height, std::int64_t width) { return Tensor::empty({height, width, 3}, DType::u8); }

// A picture from the colour of every place.
template <class ColourAt>
Tensor drawn(std::int64_t height, std::int64_t width, const ColourAt& colour_at) {
  Tensor picture = of_size(height, width);
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

void Canvas::frame(std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width, Colour colour,
                   std::int64_t thickness, std::int64_t dash) {
  const std::int64_t step = dash > 0 ? dash : std::max(height, width);
  for (std::int64_t at = 0; at<width; at += dash> 0 ? 2 * step : step) {
    for (const std::int64_t y : {top, top + height - thickness})
      fill(y, left + at, thickness, std::min(step, width - at), colour);
  }
  for (std::int64_t at = 0; at<height; at += dash> 0 ? 2 * step : step) {
    for (const std::int64_t x : {left, left + width - thickness})
      fill(top + at, x, std::min(step, height - at), thickness, colour);
  }
}

void Canvas::write(std::int64_t top, std::int64_t left, const std::string& text, Colour colour, std::int64_t scale) {
  struct Corner {
    float x, y, z;
    std::array<unsigned char, 4> colour;
  };
  std::string line = printable_ascii(text);
  std::vector<std::array<Corner, 4>> strokes(8 * line.size() + 8);
  const int count = stb_easy_font_print(0, 0, line.data(), nullptr, strokes.data(),
                                        static_cast<int>(strokes.size() * sizeof(strokes[0])));
  const auto pixels = [&](float length) { return scale * std::lround(length); };
  for (const auto& stroke : std::span(strokes).first(static_cast<std::size_t>(count))) {
    const Corner &from = stroke[0], &to = stroke[2];
    fill(top + pixels(from.y), left + pixels(from.x), pixels(to.y - from.y), pixels(to.x - from.x), colour);
  }
}

std::int64_t width_of(const std::string& text) {
  std::string line = printable_ascii(text);
  return stb_easy_font_width(line.data());
}

Tensor in_grid(const std::vector<Captioned>& pictures, std::int64_t columns, std::int64_t gap) {
  std::int64_t cell = 1;
  for (const Captioned& item : pictures) {
    if (item.picture.defined()) cell = std::max(cell, item.picture.size(1));
    for (const std::string& line : item.caption) cell = std::max(cell, width_of(line));
  }
  const auto count = static_cast<std::int64_t>(pictures.size());
  columns = std::clamp<std::int64_t>(columns, 1, std::max<std::int64_t>(1, count));
  const auto height_of = [&](const Captioned& item) {
    return (item.picture.defined() ? item.picture.size(0) : 0) +
           kLineHeight * static_cast<std::int64_t>(item.caption.size());
  };
  std::vector<std::int64_t> tops = {0};  // of the rows, and where the last ends
  for (std::int64_t i = 0; i < count; i += columns) {
    std::int64_t highest = 0;
    for (std::int64_t j = i; j < std::min(count, i + columns); ++j)
      highest = std::max(highest, height_of(pictures[static_cast<std::size_t>(j)]));
    tops.push_back(tops.back() + highest + gap);
  }
  Canvas canvas(std::max<std::int64_t>(1, tops.back() - gap), columns * (cell + gap) - gap);
  for (std::int64_t i = 0; i < count; ++i) {
    const Captioned& item = pictures[static_cast<std::size_t>(i)];
    const std::int64_t left = i % columns * (cell + gap);
    std::int64_t top = tops[static_cast<std::size_t>(i / columns)];
    if (item.picture.defined()) {
      canvas.paste(top, left, item.picture);
      top += item.picture.size(0);
    }
    for (const std::string& line : item.caption) {
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
  return drawn(values.size(0), values.size(1), [&, least = *low](std::int64_t i) {
    const std::uint8_t grey = byte_of((all[static_cast<std::size_t>(i)] - least) * scale);
    return Colour{grey, grey, grey};
  });
}

Tensor heat_picture(const Tensor& values, double low, double high) {
  const std::vector<double> all = values.to_vector();
  return drawn(values.size(0), values.size(1), [&](std::int64_t i) {
    const double over = (all[static_cast<std::size_t>(i)] - low) / (high - low);
    const double share = high > low && over > 0 ? std::min(over, 1.0) : 0;  // of what is no number, too
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

Tensor enlarged(const Tensor& picture, std::int64_t factor) {
  const std::int64_t width = picture.size(1) * factor;
  return drawn(picture.size(0) * factor, width, [&](std::int64_t i) {
    return pixel(picture, i / width / factor * picture.size(1) + i % width / factor);
  });
}

Tensor sized(const Tensor& picture, std::int64_t side) {
  const std::int64_t height = picture.size(0), width = picture.size(1), longer = std::max(height, width);
  if (longer <= side) return enlarged(picture, side / longer);
  Tensor smaller = Tensor::empty({std::max<std::int64_t>(1, height * side / longer),
                                  std::max<std::int64_t>(1, width * side / longer), picture.size(2)},
                                 DType::u8);
  resize_bilinear({.pixels = picture.data<std::uint8_t>(),
                   .height = height,
                   .width = width,
                   .channels = picture.size(2),
                   .row_stride = width * picture.size(2)},
                  smaller.size(0), smaller.size(1), smaller.mutable_data<std::uint8_t>());
  return enlarged(smaller, 1);
}

Tensor stretched(const Tensor& values, std::int64_t height, std::int64_t width) {
  const Tensor image = cast(values, DType::f64).viewed_as({1, values.size(0), values.size(1), 1});
  return interpolate(image, {.size = Extent2d(height, width), .mode = UpsampleMode::bilinear})
      .viewed_as({height, width});
}

}  // namespace striate::cli

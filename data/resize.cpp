#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace striate {

namespace {

// Pillow's fixed point: weights have so many bits behind the point, and sums of them times bytes fit 32 bits.
constexpr int kBits = 22;

/// What one place of a resized side is the weighted mean of: weights.size() places of the source from `first` on.
struct Taps {
  std::int64_t first = 0;
  std::span<const std::int32_t> weights{};
};

/// Of all places of a side of `to` resized from one of `from`.
class Triangles {
 public:
  Triangles(std::int64_t from, std::int64_t to) {
    // Each step is rounded as in Pillow: there must be no fused multiply-add (see data/CMakeLists.txt).
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    const double support = std::max(1.0, scale);
    const double inverse = 1 / support;
    const auto most = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
    weights_.resize(static_cast<std::size_t>(to) * most);
    std::vector<double> exact(most);
    for (std::int64_t i = 0; i < to; ++i) {
      const double centre = (static_cast<double>(i) + 0.5) * scale;
      const auto first = static_cast<std::int64_t>(std::floor(std::max(0.0, centre - support + 0.5)));
      const auto end = std::min(from, static_cast<std::int64_t>(std::floor(centre + support + 0.5)));
      const auto count = static_cast<std::size_t>(end - first);
      double sum = 0;
      for (std::size_t k = 0; k < count; ++k) {
        const double distance = static_cast<double>(first + static_cast<std::int64_t>(k)) - centre + 0.5;
        exact[k] = std::max(0.0, 1 - std::abs(distance * inverse));
        sum += exact[k];
      }
      std::int32_t* weights = &weights_[static_cast<std::size_t>(i) * most];
      for (std::size_t k = 0; k < count; ++k) {
        weights[k] = static_cast<std::int32_t>(std::floor(0.5 + exact[k] / sum * (1 << kBits)));
      }
      places_.push_back({first, {weights, count}});
    }
  }

  [[nodiscard]] const std::vector<Taps>& places() const { return places_; }

 private:
  std::vector<std::int32_t> weights_;
  std::vector<Taps> places_;
};

constexpr int kLanes = 16;

/// The weighted means of `count` bytes beside each other (at most kLanes) and those that lie `step` bytes on, 2 * step
/// bytes, ...
[[gnu::always_inline]] inline void weigh(const std::uint8_t* from, std::int64_t step,
                                         std::span<const std::int32_t> weights, int count, std::uint8_t* out) {
  using Lanes = std::int32_t __attribute__((vector_size(4 * kLanes)));
  Lanes sums = (1 << (kBits - 1)) - Lanes{};
  for (const std::int32_t weight : weights) {
    Lanes bytes = {};
    for (int i = 0; i < count; ++i) bytes[i] = from[i];
    sums += bytes * weight;
    from += step;
  }
  // The roundings of very many weights may add up.
  for (int i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(std::min(sums[i] >> kBits, 255));
}

/// `count` pixels of `channels` bytes, `from_step` and `to_step` bytes apart.
template <std::int64_t fixed_channels>
void copy_pixels(const std::uint8_t* from, std::int64_t from_step, std::uint8_t* to, std::int64_t to_step,
                 std::int64_t channels, std::int64_t count) {
  if constexpr (fixed_channels > 0) channels = fixed_channels;
  for (; count > 0; --count, from += from_step, to += to_step) {
    for (std::int64_t c = 0; c < channels; ++c) to[c] = from[c];
  }
}

/// image -> out (image.height,width,channels). Four rows of up to four channels are brought side by side, which makes
/// 16 lanes of the same weights.
void resize_rows(const ImageView& image, std::int64_t width, std::uint8_t* out) {
  const Triangles triangles(image.width, width);
  const std::int64_t channels = image.channels;
  std::vector<std::uint8_t> lines(static_cast<std::size_t>(image.width * kLanes));
  std::vector<std::uint8_t> new_lines(static_cast<std::size_t>(width * kLanes));
  auto* copy = channels == 1 ? copy_pixels<1> : channels == 3 ? copy_pixels<3> : copy_pixels<0>;
  for (std::int64_t y = 0; y < image.height; y += 4) {
    const std::int64_t rows = std::min<std::int64_t>(4, image.height - y);
    for (std::int64_t c = 0; c < channels; c += 4) {
      const std::int64_t some = std::min<std::int64_t>(4, channels - c);
      for (std::int64_t r = 0; r < rows; ++r) {
        copy(image.pixels + (y + r) * image.row_stride + c, channels, lines.data() + 4 * r, kLanes, some, image.width);
      }
      std::uint8_t* means = new_lines.data();
      for (const Taps& taps : triangles.places()) {
        weigh(lines.data() + taps.first * kLanes, kLanes, taps.weights, kLanes, means);
        means += kLanes;
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        copy(new_lines.data() + 4 * r, kLanes, out + (y + r) * width * channels + c, channels, some, width);
      }
    }
  }
}

/// image -> out (height,image.width,channels).
void resize_columns(const ImageView& image, std::int64_t height, std::uint8_t* out) {
  const Triangles triangles(image.height, height);
  const std::int64_t bytes = image.width * image.channels;
  for (const Taps& taps : triangles.places()) {
    const std::uint8_t* from = image.pixels + taps.first * image.row_stride;
    std::int64_t i = 0;
    for (; i + kLanes <= bytes; i += kLanes) weigh(from + i, image.row_stride, taps.weights, kLanes, out + i);
    if (i < bytes) weigh(from + i, image.row_stride, taps.weights, static_cast<int>(bytes - i), out + i);
    out += bytes;
  }
}

}  // namespace

void resize_bilinear(const ImageView& image, std::int64_t height, std::int64_t width, std::uint8_t* out) {
  if (width == image.width) return resize_columns(image, height, out);
  if (height == image.height) return resize_rows(image, width, out);
  // Before version 13, Pillow always began with the rows.
  const std::int64_t fewer_rows = image.height - height;
  const bool columns_first = fewer_rows > 0 && fewer_rows > 2 * (image.width - width);
  ImageView half = image;
  (columns_first ? half.height : half.width) = columns_first ? height : width;
  half.row_stride = half.width * half.channels;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(half.height * half.row_stride));
  half.pixels = pixels.data();
  if (columns_first) {
    resize_columns(image, height, pixels.data());
    resize_rows(half, width, out);
  } else {
    resize_rows(image, width, pixels.data());
    resize_columns(half, height, out);
  }
}

void resize_nearest(const ImageView& image, std::int64_t height, std::int64_t width, std::uint8_t* out) {
  const auto source = [](std::int64_t i, std::int64_t to, std::int64_t from) { return (2 * i + 1) * from / (2 * to); };
  for (std::int64_t y = 0; y < height; ++y) {
    const std::uint8_t* row = image.pixels + source(y, height, image.height) * image.row_stride;
    for (std::int64_t x = 0; x < width; ++x) {
      out = std::copy_n(row + source(x, width, image.width) * image.channels, image.channels, out);
    }
  }
}

}  // namespace striate

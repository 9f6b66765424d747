#include "data/tone.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace striate {

namespace {

using Table = std::array<std::uint8_t, 256>;
using Histogram = std::array<std::int64_t, 256>;

Table identity() {
  Table table{};
  std::iota(table.begin(), table.end(), std::uint8_t{0});
  return table;
}

/// Every channel by the table that `table_of` makes from its histogram.
void by_histogram(std::span<std::uint8_t> image, std::int64_t channels, Table (*table_of)(const Histogram&)) {
  const auto step = static_cast<std::size_t>(channels);
  for (std::size_t c = 0; c < step; ++c) {
    Histogram histogram{};
    for (std::size_t i = c; i < image.size(); i += step) ++histogram[image[i]];
    const Table table = table_of(histogram);
    for (std::size_t i = c; i < image.size(); i += step) image[i] = table[image[i]];
  }
}

Table stretched(const Histogram& histogram) {
  const auto some = [](std::int64_t count) { return count > 0; };
  const auto low = std::find_if(histogram.begin(), histogram.end(), some) - histogram.begin();
  const auto high = 255 - (std::find_if(histogram.rbegin(), histogram.rend(), some) - histogram.rbegin());
  Table table = identity();
  if (high <= low) return table;
  const double scale = 255.0 / static_cast<double>(high - low);
  const double offset = static_cast<double>(-low) * scale;
  for (std::size_t v = 0; v < 256; ++v) {
    table[v] = static_cast<std::uint8_t>(std::clamp(static_cast<double>(v) * scale + offset, 0.0, 255.0));
  }
  return table;
}

Table equalized(const Histogram& histogram) {
  const auto last = std::find_if(histogram.rbegin(), histogram.rend(), [](std::int64_t count) { return count > 0; });
  const std::int64_t step = (std::accumulate(histogram.begin(), histogram.end(), std::int64_t{0}) - *last) / 255;
  Table table = identity();
  if (step == 0) return table;  // one value, or too few pixels
  std::int64_t below = step / 2;
  for (std::size_t v = 0; v < 256; ++v) {
    table[v] = static_cast<std::uint8_t>(std::min<std::int64_t>(below / step, 255));
    below += histogram[v];
  }
  return table;
}

}  // namespace

void posterize(std::span<std::uint8_t> image, int bits) {
  const auto mask = static_cast<std::uint8_t>(0xff00U >> static_cast<unsigned>(bits));
  for (std::uint8_t& value : image) value &= mask;
}

void solarize(std::span<std::uint8_t> image, double threshold) {
  for (std::uint8_t& value : image) value = value < threshold ? value : static_cast<std::uint8_t>(255 - value);
}

void autocontrast(std::span<std::uint8_t> image, std::int64_t channels) { by_histogram(image, channels, stretched); }

void equalize(std::span<std::uint8_t> image, std::int64_t channels) { by_histogram(image, channels, equalized); }

}  // namespace striate

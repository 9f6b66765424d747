#include "data/affine.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace striate {

namespace {

constexpr int kBits = 16;

std::int64_t fixed_point(double value) { return static_cast<std::int64_t>(std::floor(value * (1 << kBits) + 0.5)); }

template <std::int64_t fixed_channels>
void transformed(const std::uint8_t* image, const ImageShape& shape, const AffineMatrix& m, std::uint8_t* out) {
  const std::int64_t channels = fixed_channels > 0 ? fixed_channels : shape.channels;
  const std::int64_t step_x = fixed_point(m[0]), step_y = fixed_point(m[3]);
  std::int64_t first_x = fixed_point(m[2] + m[0] * 0.5 + m[1] * 0.5);
  std::int64_t first_y = fixed_point(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (std::int64_t row = 0; row < shape.height; ++row) {
    std::int64_t from_x = first_x, from_y = first_y;
    for (std::int64_t column = 0; column < shape.width; ++column, out += channels) {
      const std::int64_t x = from_x >> kBits, y = from_y >> kBits;
      const bool inside = x >= 0 && x < shape.width && y >= 0 && y < shape.height;
      const std::uint8_t* pixel = image + (inside ? (y * shape.width + x) * channels : 0);
      for (std::int64_t c = 0; c < channels; ++c) out[c] = inside ? pixel[c] : std::uint8_t{0};
      from_x += step_x;
      from_y += step_y;
    }
    first_x += fixed_point(m[1]);
    first_y += fixed_point(m[4]);
  }
}

}  // namespace

AffineMatrix rotation(double degrees, const ImageShape& shape) {
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0) turn += 360;
  const double angle = -turn * (std::numbers::pi / 180);
  // So that right angles are exact.
  const auto rounded = [](double value) { return std::nearbyint(value * 1e15) / 1e15; };
  const double cosine = rounded(std::cos(angle)), sine = rounded(std::sin(angle));
  const double x = static_cast<double>(shape.width) / 2, y = static_cast<double>(shape.height) / 2;
  return {cosine, sine, -cosine * x - sine * y + x, -sine, cosine, sine * x - cosine * y + y};
}

void affine_nearest(std::span<std::uint8_t> image, const ImageShape& shape, const AffineMatrix& m) {
  auto* transform = shape.channels == 3 ? transformed<3> : transformed<0>;
  const std::vector<std::uint8_t> before(image.begin(), image.end());
  transform(before.data(), shape, m, image.data());
}

}  // namespace striate

// Transforms that change the colours.

#include <algorithm>
#include <array>
#include <limits>

#include "data/built_in_transforms.h"
#include "data/color.h"
#include "data/image.h"

namespace striate {

namespace {

struct RandomGrayscale : Transform {
  explicit RandomGrayscale(const NamedOptions& options) : p(probability("random_grayscale", options, 0.1)) {}

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return expect_colours("random_grayscale", input);
  }

  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    std::copy(image.begin(), image.end(), out.begin());
    if (random.uniform() >= p || shape.channels == 1) return;
    for (std::size_t i = 0; i < out.size(); i += 3) {
      out[i] = out[i + 1] = out[i + 2] = luma(image[i], image[i + 1], image[i + 2]);
    }
  }
  double p;
};

struct RandomInvert : Transform {
  explicit RandomInvert(const NamedOptions& options) : p(probability("random_invert", options, 0.5)) {}

  void apply(std::span<const std::uint8_t> image, const ImageShape& /*shape*/, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    const std::uint8_t mask = random.uniform() < p ? 255 : 0;
    std::transform(image.begin(), image.end(), out.begin(),
                   [&](std::uint8_t value) { return static_cast<std::uint8_t>(value ^ mask); });
  }
  double p;
};

/// Each of the four that is not 0 with a factor of its own, in an order drawn for each image.
struct ColorJitter : Transform {
  explicit ColorJitter(const NamedOptions& options) {
    constexpr std::array names = {"brightness", "contrast", "saturation", "hue"};
    for (std::size_t i = 0; i < names.size(); ++i) {
      strength[i] = options.real(names[i], 0);
      const double most = i == kHue ? 0.5 : std::numeric_limits<double>::max();
      expect(strength[i] >= 0 && strength[i] <= most, "color_jitter",
             std::string("a ") + names[i] + (i == kHue ? " of 0 .. 0.5" : " of at least 0"), strength[i]);
    }
  }

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return expect_colours("color_jitter", input);
  }

  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    std::copy(image.begin(), image.end(), out.begin());
    std::array<double, 4> factors{};
    for (std::size_t i = 0; i < factors.size(); ++i) {
      const double least = i == kHue ? -strength[i] : std::max(0.0, 1 - strength[i]);
      const double most = i == kHue ? strength[i] : 1 + strength[i];
      factors[i] = least + (most - least) * random.uniform();
    }
    std::array<std::size_t, 4> order = {0, 1, 2, 3};
    for (std::size_t left = order.size(); left > 1; --left) {
      std::swap(order[left - 1], order[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(left)))]);
    }
    for (const std::size_t i : order) {
      if (strength[i] > 0) adjust(i, factors[i], out, shape.channels);
    }
  }

 private:
  static constexpr std::size_t kHue = 3;

  static void adjust(std::size_t which, double factor, std::span<std::uint8_t> image, std::int64_t channels) {
    switch (which) {
      case 0:
        return adjust_brightness(image, factor);
      case 1:
        return adjust_contrast(image, channels, factor);
      case 2:
        return adjust_saturation(image, channels, factor);
      default:
        return adjust_hue(image, channels, factor);
    }
  }

  std::array<double, 4> strength{};
};

}  // namespace

TransformKinds color_transforms() {
  return {{"color_jitter", factory_of<ColorJitter>()},
          {"random_grayscale", factory_of<RandomGrayscale>()},
          {"random_invert", factory_of<RandomInvert>()}};
}

}  // namespace striate

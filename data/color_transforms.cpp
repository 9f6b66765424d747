// Transforms that change the colours.

#include <algorithm>
#include <cmath>

#include "data/built_in_transforms.h"
#include "data/image.h"

namespace striate {

namespace {

struct RandomGrayscale : Transform {
  explicit RandomGrayscale(const NamedOptions& options) : p(probability("random_grayscale", options, 0.1)) {}

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    expect(input.channels == 1 || input.channels == 3, "random_grayscale", "1 or 3 channels", input.channels);
    return input;
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

struct ColorJitter : Transform {
  explicit ColorJitter(const NamedOptions& options) : brightness(options.real("brightness", 0)) {
    expect(std::isfinite(brightness) && brightness >= 0, "color_jitter", "a brightness of at least 0", brightness);
  }

  void apply(std::span<const std::uint8_t> image, const ImageShape& /*shape*/, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    const double least = std::max(0.0, 1 - brightness);
    const double factor = least + (1 + brightness - least) * random.uniform();
    std::transform(image.begin(), image.end(), out.begin(),
                   [&](std::uint8_t value) { return static_cast<std::uint8_t>(std::min(255.0, factor * value)); });
  }
  double brightness;
};

}  // namespace

TransformKinds color_transforms() {
  return {{"random_grayscale", factory_of<RandomGrayscale>()},
          {"random_invert", factory_of<RandomInvert>()},
          {"color_jitter", factory_of<ColorJitter>()}};
}

}  // namespace striate

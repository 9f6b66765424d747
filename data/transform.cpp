#include "data/transform.h"

#include <algorithm>
#include <cmath>
#include <typeinfo>

#include "core/check.h"
#include "core/registry.h"
#include "data/image.h"

namespace striate {

namespace {

double probability(const std::string& name, const NamedOptions& options, double otherwise) {
  const double p = options.real("p", otherwise);
  expect(p >= 0 && p <= 1, name, "a probability p of 0 .. 1", p);
  return p;
}

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

template <class T>
TransformFactory factory_of() {
  return [](const NamedOptions& options) { return std::make_shared<const T>(options); };
}

Registry<TransformFactory>& registry() {
  static Registry<TransformFactory> kinds("transform", {{"random_grayscale", factory_of<RandomGrayscale>()},
                                                        {"random_invert", factory_of<RandomInvert>()},
                                                        {"color_jitter", factory_of<ColorJitter>()}});
  return kinds;
}

}  // namespace

std::string Transform::description() const { return made_from_.empty() ? typeid(*this).name() : made_from_; }

void register_transform(const std::string& name, TransformFactory factory) { registry().add(name, std::move(factory)); }

std::vector<std::string> transform_names() { return registry().names(); }

std::shared_ptr<const Transform> make_transform(const std::string& name_and_options) {
  const auto [name, options] = parse_name_and_options(name_and_options);
  const std::shared_ptr<const Transform> transform = registry().at(name)(options);
  expect(transform != nullptr, "make_transform", "an object from the factory of " + name, "a null pointer");
  options.expect_all_read(name);
  transform->made_from_ = name_and_options;
  return transform;
}

ImageShape output_shape(const Transforms& transforms, const ImageShape& input) {
  ImageShape shape = input;
  for (const auto& transform : transforms) {
    expect(transform != nullptr, "transforms", "objects", "a null pointer");
    shape = transform->output_shape(shape);
    expect(shape.height >= 1 && shape.width >= 1 && shape.channels == input.channels, "transforms",
           "images of " + std::to_string(input.channels) + " channels", to_string(shape));
  }
  return shape;
}

std::vector<std::uint8_t> apply_transforms(const Transforms& transforms, std::span<const std::uint8_t> image,
                                           ImageShape shape, const DrawPlace& place) {
  const RandomStream stream = random_stream(place.seed, RandomUse::transform, place.epoch, place.image);
  std::vector<std::uint8_t> current(image.begin(), image.end());
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    const ImageShape next = transforms[i]->output_shape(shape);
    std::vector<std::uint8_t> out(static_cast<std::size_t>(next.numel()));
    RandomSequence random(stream, std::uint64_t{i} << 32U);
    transforms[i]->apply(current, shape, out, random);
    current = std::move(out);
    shape = next;
  }
  return current;
}

}  // namespace striate

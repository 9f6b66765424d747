// RandAugment (Cubuk et al., 2019) and TrivialAugmentWide (Müller and Hutter, 2021) with the operations and the ranges
// of torchvision.

#include "data/auto_augment.h"

#include <algorithm>
#include <cmath>

#include "data/affine.h"
#include "data/built_in_transforms.h"
#include "data/color.h"
#include "data/tone.h"

namespace striate {

namespace {

using Image = std::span<std::uint8_t>;

void translate_x(Image image, const ImageShape& shape, double pixels) {
  affine_nearest(image, shape, {1, 0, -std::trunc(pixels), 0, 1, 0});
}

void translate_y(Image image, const ImageShape& shape, double pixels) {
  affine_nearest(image, shape, {1, 0, 0, 0, 1, -std::trunc(pixels)});
}

std::vector<AugmentOp> make_ops() {
  return {
      {"Identity", false, false, 0, 0, 0, [](Image, const ImageShape&, double) {}},
      {"ShearX", true, true, 0, 0.3, 0.99,
       [](Image image, const ImageShape& shape, double slope) {
         affine_nearest(image, shape, {1, slope, 0, 0, 1, 0});
       }},
      {"ShearY", true, true, 0, 0.3, 0.99,
       [](Image image, const ImageShape& shape, double slope) {
         affine_nearest(image, shape, {1, 0, 0, slope, 1, 0});
       }},
      {"TranslateX", true, true, 0, 150.0 / 331, 32, translate_x},
      {"TranslateY", true, true, 0, 150.0 / 331, 32, translate_y},
      {"Rotate", true, true, 0, 30, 135,
       [](Image image, const ImageShape& shape, double degrees) {
         affine_nearest(image, shape, rotation(degrees, shape));
       }},
      {"Brightness", true, false, 0, 0.9, 0.99,
       [](Image image, const ImageShape&, double more) { adjust_brightness(image, 1 + more); }},
      {"Color", true, false, 0, 0.9, 0.99,
       [](Image image, const ImageShape& shape, double more) { adjust_saturation(image, shape.channels, 1 + more); }},
      {"Contrast", true, false, 0, 0.9, 0.99,
       [](Image image, const ImageShape& shape, double more) { adjust_contrast(image, shape.channels, 1 + more); }},
      {"Sharpness", true, false, 0, 0.9, 0.99,
       [](Image image, const ImageShape& shape, double more) { adjust_sharpness(image, shape, 1 + more); }},
      {"Posterize", false, false, 8, 4, 2,
       [](Image image, const ImageShape&, double bits) { posterize(image, static_cast<int>(std::nearbyint(bits))); }},
      {"Solarize", false, false, 255, 0, 0,
       [](Image image, const ImageShape&, double threshold) { solarize(image, threshold); }},
      {"AutoContrast", false, false, 0, 0, 0,
       [](Image image, const ImageShape& shape, double) { autocontrast(image, shape.channels); }},
      {"Equalize", false, false, 0, 0, 0,
       [](Image image, const ImageShape& shape, double) { equalize(image, shape.channels); }}};
}

/// Of torch.linspace(from, to, bins): in float, from both ends to the middle, with a fused multiply-add.
double linspace(double from, double to, std::int64_t bin, std::int64_t bins) {
  const auto first = static_cast<float>(from), last = static_cast<float>(to);
  const float step = (last - first) / static_cast<float>(bins - 1);
  if (bin < bins / 2) return std::fma(step, static_cast<float>(bin), first);
  return std::fma(-step, static_cast<float>(bins - 1 - bin), last);
}

std::int64_t magnitude_bins(const std::string& name, const NamedOptions& options) {
  const std::int64_t bins = options.integer("num_magnitude_bins", 31);
  expect(bins >= 2 && bins <= 1000000, name, "a num_magnitude_bins of 2 .. 1000000", bins);
  return bins;
}

const AugmentOp& draw_op(RandomSequence& random) {
  const auto& ops = augment_ops();
  return ops[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(ops.size())))];
}

/// Of a label map, only what moves pixels is done: it takes the nearest ones and fills with black.
void apply_op(const AugmentOp& op, double magnitude, Image image, const ImageShape& shape, RandomSequence& random,
              bool of_labels) {
  const bool negative = random.below(2) == 1 && op.is_signed;
  if (!of_labels || op.moves_pixels) op.apply(image, shape, negative ? -magnitude : magnitude);
}

/// Draws operations and applies them to a copy of the image, or of its label map.
struct DrawnOps : Transform {
  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const final {
    std::copy(image.begin(), image.end(), out.begin());
    change(out, shape, random, false);
  }
  void apply_to_labels(std::span<const std::uint8_t> labels, const ImageShape& shape, std::span<std::uint8_t> out,
                       RandomSequence& random) const final {
    std::copy(labels.begin(), labels.end(), out.begin());
    change(out, shape, random, true);
  }
  virtual void change(Image image, const ImageShape& shape, RandomSequence& random, bool of_labels) const = 0;
};

struct RandAugment : DrawnOps {
  explicit RandAugment(const NamedOptions& options)
      : num_ops(options.integer("num_ops", 2)),
        magnitude(options.integer("magnitude", 9)),
        bins(magnitude_bins("rand_augment", options)) {
    expect(num_ops >= 0 && num_ops <= 1000, "rand_augment", "a num_ops of 0 .. 1000", num_ops);
    expect(magnitude >= 0 && magnitude < bins, "rand_augment",
           "a magnitude of 0 .. " + std::to_string(bins - 1) + ", below num_magnitude_bins", magnitude);
  }

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return expect_colours("rand_augment", input);
  }

  void change(Image image, const ImageShape& shape, RandomSequence& random, bool of_labels) const override {
    for (std::int64_t i = 0; i < num_ops; ++i) {
      const AugmentOp& op = draw_op(random);
      apply_op(op, rand_augment_magnitude(op, shape, magnitude, bins), image, shape, random, of_labels);
    }
  }
  std::int64_t num_ops, magnitude, bins;
};

struct TrivialAugmentWide : DrawnOps {
  explicit TrivialAugmentWide(const NamedOptions& options) : bins(magnitude_bins("trivial_augment_wide", options)) {}

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return expect_colours("trivial_augment_wide", input);
  }

  void change(Image image, const ImageShape& shape, RandomSequence& random, bool of_labels) const override {
    const AugmentOp& op = draw_op(random);
    const double magnitude = trivial_augment_magnitude(op, random.below(bins), bins);
    apply_op(op, magnitude, image, shape, random, of_labels);
  }
  std::int64_t bins;
};

}  // namespace

const std::vector<AugmentOp>& augment_ops() {
  static const std::vector<AugmentOp> all = make_ops();
  return all;
}

double rand_augment_magnitude(const AugmentOp& op, const ImageShape& shape, std::int64_t bin, std::int64_t bins) {
  double to = op.rand_to;
  if (op.apply == translate_x) to *= static_cast<double>(shape.width);
  if (op.apply == translate_y) to *= static_cast<double>(shape.height);
  return linspace(op.from, to, bin, bins);
}

double trivial_augment_magnitude(const AugmentOp& op, std::int64_t bin, std::int64_t bins) {
  return linspace(op.from, op.wide_to, bin, bins);
}

TransformKinds auto_augment_transforms() {
  return {{"rand_augment", factory_of<RandAugment>()}, {"trivial_augment_wide", factory_of<TrivialAugmentWide>()}};
}

}  // namespace striate

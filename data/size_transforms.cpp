// Transforms that resize, crop and mirror.

#include <algorithm>
#include <cmath>

#include "data/built_in_transforms.h"
#include "data/image.h"
#include "data/resize.h"

namespace striate {

namespace {

/// What a transform is told of sizes of varying pictures.
bool is_known(const ImageShape& shape) { return shape.height > 0 && shape.width > 0; }

std::int64_t side(const std::string& name, const NamedOptions& options, const std::string& option) {
  const std::int64_t value = options.integer(option, 0);
  expect(value >= 1 && value <= kMostOfASide, name, "a " + option + " of 1 .. " + std::to_string(kMostOfASide), value);
  return value;
}

struct Size {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The options height and width, or size for both.
Size size_option(const std::string& name, const NamedOptions& options) {
  const bool rectangle = options.has("height") || options.has("width");
  expect(!(rectangle && options.has("size")), name, "a size, or a height and a width", to_string(options));
  const std::string height = rectangle ? "height" : "size";
  return {side(name, options, height), side(name, options, rectangle ? "width" : height)};
}

/// Rows [top, top + size.height) and columns [left, left + size.width) of the image; black outside of it.
void crop(std::span<const std::uint8_t> image, const ImageShape& shape, std::int64_t top, std::int64_t left,
          const Size& size, std::span<std::uint8_t> out) {
  const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, size.width);  // the image's columns, in the crop
  const std::int64_t end = std::clamp(shape.width - left, begin, size.width);
  std::uint8_t* pixels = out.data();
  for (std::int64_t y = top; y < top + size.height; ++y) {
    const bool inside = y >= 0 && y < shape.height && begin < end;
    const std::int64_t before = inside ? begin : size.width, after = inside ? size.width - end : 0;
    pixels = std::fill_n(pixels, before * shape.channels, std::uint8_t{0});
    if (inside) {
      const std::uint8_t* from = image.data() + (y * shape.width + left + begin) * shape.channels;
      pixels = std::copy_n(from, (end - begin) * shape.channels, pixels);
    }
    pixels = std::fill_n(pixels, after * shape.channels, std::uint8_t{0});
  }
}

/// Moves pixels and mixes none, and fills with black: a label map is moved by the same code.
struct PlaceTransform : Transform {
  void apply_to_labels(std::span<const std::uint8_t> labels, const ImageShape& shape, std::span<std::uint8_t> out,
                       RandomSequence& random) const final {
    apply(labels, shape, out, random);
  }
};

/// Resizes a box of every image: bilinear, and label maps to the nearest pixel.
struct ResizeTransform : Transform {
  /// What of the image is resized to output_shape().
  [[nodiscard]] virtual Box box(const ImageShape& shape, RandomSequence& random) const = 0;

  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const final {
    resized(resize_bilinear, image, shape, out, random);
  }
  void apply_to_labels(std::span<const std::uint8_t> labels, const ImageShape& shape, std::span<std::uint8_t> out,
                       RandomSequence& random) const final {
    resized(resize_nearest, labels, shape, out, random);
  }

 private:
  void resized(decltype(resize_bilinear)* resize, std::span<const std::uint8_t> image, const ImageShape& shape,
               std::span<std::uint8_t> out, RandomSequence& random) const {
    const Box from = box(shape, random);
    const ImageShape to = output_shape(shape);
    const std::uint8_t* pixels = image.data() + (from.top * shape.width + from.left) * shape.channels;
    resize({pixels, from.bottom - from.top, from.right - from.left, shape.channels, shape.width * shape.channels},
           to.height, to.width, out.data());
  }
};

/// The short side becomes `size` and the long one what keeps the proportions, rounded down; or both as given.
struct Resize : ResizeTransform {
  explicit Resize(const NamedOptions& options)
      : size(size_option("resize", options)), keeps_proportions(options.has("size")) {}

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    if (!keeps_proportions) return {size.height, size.width, input.channels};
    if (!is_known(input)) return {0, 0, input.channels};
    const auto [small, large] = std::minmax(input.height, input.width);
    const auto long_side =
        static_cast<std::int64_t>(static_cast<double>(size.width * large) / static_cast<double>(small));
    expect(long_side <= kMostOfASide, "resize", "a long side of at most " + std::to_string(kMostOfASide), long_side);
    if (input.width <= input.height) return {long_side, size.width, input.channels};
    return {size.height, long_side, input.channels};
  }

  [[nodiscard]] Box box(const ImageShape& shape, RandomSequence& /*random*/) const override {
    return {0, shape.height, 0, shape.width};
  }
  Size size;
  bool keeps_proportions;
};

struct CenterCrop : PlaceTransform {
  explicit CenterCrop(const NamedOptions& options) : size(size_option("center_crop", options)) {}

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return {size.height, size.width, input.channels};
  }

  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& /*random*/) const override {
    crop(image, shape, first(shape.height, size.height), first(shape.width, size.width), size, out);
  }

  /// Halves are rounded to even places in a side that is cut, and up in one that is padded, as in torchvision.
  static std::int64_t first(std::int64_t from, std::int64_t to) {
    if (from < to) return -((to - from) / 2);
    return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(from - to) / 2));
  }
  Size size;
};

struct RandomCrop : PlaceTransform {
  explicit RandomCrop(const NamedOptions& options)
      : size(size_option("random_crop", options)), padding(options.integer("padding", 0)) {
    expect(padding >= 0 && padding <= kMostOfASide, "random_crop", "a padding of 0 .. " + std::to_string(kMostOfASide),
           padding);
  }

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    const bool fits = input.height + 2 * padding >= size.height && input.width + 2 * padding >= size.width;
    expect(!is_known(input) || fits, "random_crop",
           "images of at least " + std::to_string(size.height) + "x" + std::to_string(size.width) + " with " +
               std::to_string(padding) + " pixels of padding on each side (resize them before)",
           input);
    return {size.height, size.width, input.channels};
  }

  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    const std::int64_t top = random.below(shape.height + 2 * padding - size.height + 1) - padding;
    const std::int64_t left = random.below(shape.width + 2 * padding - size.width + 1) - padding;
    crop(image, shape, top, left, size, out);
  }
  Size size;
  std::int64_t padding;
};

struct RandomResizedCrop : ResizeTransform {
  explicit RandomResizedCrop(const NamedOptions& options)
      : size(size_option("random_resized_crop", options)),
        range{options.real("scale_min", 0.08), options.real("scale_max", 1), options.real("ratio_min", 3.0 / 4),
              options.real("ratio_max", 4.0 / 3)} {
    check_rectangle_range("random_resized_crop", range);
  }

  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return {size.height, size.width, input.channels};
  }

  [[nodiscard]] Box box(const ImageShape& shape, RandomSequence& random) const override {
    return draw_resized_crop(shape.height, shape.width, range, random);
  }
  Size size;
  RectangleRange range;
};

template <std::int64_t fixed_channels>
void mirror_row(const std::uint8_t* row, std::int64_t width, std::int64_t channels, std::uint8_t* out) {
  if constexpr (fixed_channels > 0) channels = fixed_channels;
  for (const std::uint8_t* pixel = row + width * channels; pixel != row;) {
    pixel -= channels;
    for (std::int64_t c = 0; c < channels; ++c) *out++ = pixel[c];
  }
}

struct RandomHorizontalFlip : PlaceTransform {
  explicit RandomHorizontalFlip(const NamedOptions& options) : p(probability("random_horizontal_flip", options, 0.5)) {}

  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    if (random.uniform() >= p) {
      std::copy(image.begin(), image.end(), out.begin());
      return;
    }
    auto* mirror = shape.channels == 3 ? mirror_row<3> : mirror_row<0>;
    const std::int64_t bytes = shape.width * shape.channels;
    for (std::int64_t at = 0; at < shape.numel(); at += bytes) {
      mirror(image.data() + at, shape.width, shape.channels, out.data() + at);
    }
  }
  double p;
};

struct RandomVerticalFlip : PlaceTransform {
  explicit RandomVerticalFlip(const NamedOptions& options) : p(probability("random_vertical_flip", options, 0.5)) {}

  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    const bool flipped = random.uniform() < p;
    const std::int64_t bytes = shape.width * shape.channels;
    for (std::int64_t y = 0; y < shape.height; ++y) {
      std::copy_n(image.data() + (flipped ? shape.height - 1 - y : y) * bytes, bytes, out.data() + y * bytes);
    }
  }
  double p;
};

}  // namespace

Box draw_resized_crop(std::int64_t height, std::int64_t width, const RectangleRange& range, RandomSequence& random) {
  const auto area = static_cast<double>(height * width);
  for (int i = 0; i < 10; ++i) {
    const auto [w, h] = draw_sides(area, range, random);
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const std::int64_t top = random.below(height - h + 1);
    const std::int64_t left = random.below(width - w + 1);
    return {top, top + h, left, left + w};
  }
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  std::int64_t h = height;
  std::int64_t w = width;
  if (ratio < range.ratio_min) h = std::max(1LL, std::llrint(static_cast<double>(width) / range.ratio_min));
  if (ratio > range.ratio_max) w = std::max(1LL, std::llrint(static_cast<double>(height) * range.ratio_max));
  const std::int64_t top = (height - h) / 2;
  const std::int64_t left = (width - w) / 2;
  return {top, top + h, left, left + w};
}

TransformKinds size_transforms() {
  return {{"resize", factory_of<Resize>()},
          {"center_crop", factory_of<CenterCrop>()},
          {"random_crop", factory_of<RandomCrop>()},
          {"random_resized_crop", factory_of<RandomResizedCrop>()},
          {"random_horizontal_flip", factory_of<RandomHorizontalFlip>()},
          {"random_vertical_flip", factory_of<RandomVerticalFlip>()}};
}

}  // namespace striate

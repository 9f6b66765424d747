#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/integer.h"
#include "core/random.h"

namespace striate {

namespace {

constexpr std::int64_t kOutside = -1;

/// Where a row or column of the padded image comes from: kOutside is padding.
std::int64_t source(std::int64_t position, std::int64_t size, PadMode pad_mode) {
  const bool inside = position >= 0 && position < size;
  return inside || pad_mode == PadMode::reflect ? reflected(position, size) : kOutside;
}

/// Each draw of an epoch and image has its own place in this stream: 0 and 1 crop, 2 flip, 3 and 4 cutout, from 5 on
/// erasing.
RandomStream stream_of(const DrawPlace& place) {
  return random_stream(place.seed, RandomUse::augment, place.epoch, place.image);
}

bool draw_flip(FlipMode mode, const DrawPlace& place) {
  if (mode == FlipMode::none) return false;
  if (mode == FlipMode::random) return stream_of(place).below(2, 2) == 1;
  // Alternating: what is drawn in epoch 0 decides for all epochs.
  return ((stream_of({place.seed, 0, place.image}).bits(2) >> 63U) + place.epoch) % 2 == 1;
}

/// Ten tries, as in torchvision; then nothing.
void draw_erasing(const AugmentOptions& options, std::int64_t height, std::int64_t width, RandomSequence random,
                  Augmentation& drawn) {
  if (random.uniform() >= options.erasing) return;
  for (int i = 0; i < 10; ++i) {
    const auto [h, w] = draw_sides(static_cast<double>(height * width), options.erasing_range, random);
    if (h >= height || w >= width) continue;
    drawn.cut_top = random.below(height - h + 1);
    drawn.cut_left = random.below(width - w + 1);
    drawn.cut_bottom = drawn.cut_top + h;
    drawn.cut_right = drawn.cut_left + w;
    return;
  }
}

}  // namespace

void check_rectangle_range(const std::string& op, const RectangleRange& range) {
  const auto text = [](double from, double to) { return std::to_string(from) + " .. " + std::to_string(to); };
  expect(range.scale_min >= 0 && range.scale_min <= range.scale_max && range.scale_max <= 1, op,
         "scales of 0 .. 1, the least first", text(range.scale_min, range.scale_max));
  expect(range.ratio_min > 0 && range.ratio_min <= range.ratio_max && std::isfinite(range.ratio_max), op,
         "ratios above 0, the least first", text(range.ratio_min, range.ratio_max));
}

std::pair<std::int64_t, std::int64_t> draw_sides(double area, const RectangleRange& range, RandomSequence& random) {
  const auto between = [&](double from, double to) { return from + (to - from) * random.uniform(); };
  const double share = area * between(range.scale_min, range.scale_max);
  const double ratio = std::exp(between(std::log(range.ratio_min), std::log(range.ratio_max)));
  return {std::llrint(std::sqrt(share * ratio)), std::llrint(std::sqrt(share / ratio))};
}

void check_augment(const AugmentOptions& options, std::int64_t height, std::int64_t width) {
  expect(options.crop_padding >= 0 && options.crop_padding <= kMostOfASide, "augment",
         "a crop padding of 0 .. " + std::to_string(kMostOfASide), options.crop_padding);
  expect(options.cutout >= 0, "augment", "a cutout of at least 0", options.cutout);
  const std::int64_t all = 2 * std::max(height, width);
  expect(options.cutout < all, "augment",
         "a cutout of less than " + std::to_string(all) + " (a square of that side leaves nothing of an image)",
         options.cutout);
  expect(options.erasing >= 0 && options.erasing <= 1, "augment", "a probability of erasing of 0 .. 1",
         options.erasing);
  expect(options.erasing == 0 || options.cutout == 0, "augment", "cutout or erasing, not both", "both");
  check_rectangle_range("augment", options.erasing_range);
  expect(options.pad_mode != PadMode::reflect || options.crop_padding < std::min(height, width), "augment",
         "reflect padding of less than the image's sides",
         "padding " + std::to_string(options.crop_padding) + ", image " + std::to_string(height) + "x" +
             std::to_string(width));
}

Augmentation draw_augmentation(const AugmentOptions& options, std::int64_t height, std::int64_t width,
                               const DrawPlace& place) {
  const RandomStream stream = stream_of(place);
  Augmentation drawn;
  if (options.crop_padding > 0) {
    drawn.shift_y = stream.below(0, 2 * options.crop_padding + 1) - options.crop_padding;
    drawn.shift_x = stream.below(1, 2 * options.crop_padding + 1) - options.crop_padding;
  }
  drawn.flipped = draw_flip(options.flip, place);
  if (options.cutout > 0) {
    const std::int64_t top = stream.below(3, height) - options.cutout / 2;
    const std::int64_t left = stream.below(4, width) - options.cutout / 2;
    drawn.cut_top = std::max<std::int64_t>(top, 0);
    drawn.cut_bottom = std::min(top + options.cutout, height);
    drawn.cut_left = std::max<std::int64_t>(left, 0);
    drawn.cut_right = std::min(left + options.cutout, width);
  }
  if (options.erasing > 0) draw_erasing(options, height, width, RandomSequence(stream, 5), drawn);
  return drawn;
}

namespace {

/// `fixed_channels` is shape.channels where it is known to the compiler, which is worth a third of the time; 0: any.
template <std::int64_t fixed_channels, class T>
void augment_pixels(const std::uint8_t* image, const ImageShape& shape, PadMode pad_mode,
                    const Augmentation& augmentation, const T* table, T* out) {
  const std::int64_t channels = fixed_channels > 0 ? fixed_channels : shape.channels;
  const std::int64_t width = shape.width;
  std::vector<std::int64_t> columns(static_cast<std::size_t>(width));
  for (std::int64_t x = 0; x < width; ++x) {
    const std::int64_t unflipped = augmentation.flipped ? width - 1 - x : x;
    columns[static_cast<std::size_t>(x)] = source(unflipped + augmentation.shift_x, width, pad_mode);
  }
  for (std::int64_t y = 0; y < shape.height; ++y, out += width * channels) {
    const std::int64_t row = source(y + augmentation.shift_y, shape.height, pad_mode);
    if (row == kOutside) {
      std::fill(out, out + width * channels, T(0));
      continue;
    }
    T* pixel = out;
    for (const std::int64_t column : columns) {
      const std::uint8_t* bytes = image + (row * width + column) * channels;
      const bool inside = column != kOutside;
      for (std::int64_t c = 0; c < channels; ++c) *pixel++ = inside ? table[c * 256 + bytes[c]] : T(0);
    }
    if (y >= augmentation.cut_top && y < augmentation.cut_bottom) {
      std::fill(out + augmentation.cut_left * channels, out + augmentation.cut_right * channels, T(0));
    }
  }
}

}  // namespace

template <class T>
void augment_image(const std::uint8_t* image, const ImageShape& shape, PadMode pad_mode,
                   const Augmentation& augmentation, const T* table, T* out) {
  auto* augment = augment_pixels<0, T>;
  if (shape.channels == 1) augment = augment_pixels<1, T>;
  if (shape.channels == 3) augment = augment_pixels<3, T>;
  augment(image, shape, pad_mode, augmentation, table, out);
}
template void augment_image(const std::uint8_t*, const ImageShape&, PadMode, const Augmentation&, const float*, float*);
template void augment_image(const std::uint8_t*, const ImageShape&, PadMode, const Augmentation&, const double*,
                            double*);

}  // namespace striate

// Transforms of recordings.

#include <algorithm>
#include <cmath>

#include "data/built_in_transforms.h"

namespace striate {

namespace {

/// Samples [first, first + out's length) of a recording; silence outside of it.
void cut(std::span<const float> samples, std::int64_t channels, std::int64_t first, std::span<float> out) {
  const auto from = static_cast<std::int64_t>(samples.size()), to = static_cast<std::int64_t>(out.size());
  const std::int64_t begin = std::clamp<std::int64_t>(-first * channels, 0, to);
  const std::int64_t end = std::clamp(from - first * channels, begin, to);
  float* place = std::fill_n(out.data(), begin, 0.0F);
  if (begin < end) place = std::copy_n(samples.data() + first * channels + begin, end - begin, place);
  std::fill(place, out.data() + to, 0.0F);
}

struct PadOrTrim : SampleTransform {
  explicit PadOrTrim(const NamedOptions& options) : length(options.integer("length", 0)) {
    expect(length >= 1 && length <= kMaxPixels, "pad_or_trim", "a length of 1 .. " + std::to_string(kMaxPixels),
           length);
  }
  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return {1, length, input.channels, input.sample_rate};
  }
  void apply_to_samples(std::span<const float> samples, const ImageShape& shape, std::span<float> out,
                        RandomSequence& /*random*/) const override {
    cut(samples, shape.channels, (shape.width - length) / 2, out);
  }
  std::int64_t length;
};

struct RandomShift : SampleTransform {
  explicit RandomShift(const NamedOptions& options) : most(options.real("max", 0.1)) {
    expect(most >= 0 && most <= 3600, "random_shift", "a max of 0 .. 3600 seconds", most);
  }
  void apply_to_samples(std::span<const float> samples, const ImageShape& shape, std::span<float> out,
                        RandomSequence& random) const override {
    const std::int64_t range = std::llround(most * static_cast<double>(shape.sample_rate));
    cut(samples, shape.channels, random.below(2 * range + 1) - range, out);
  }
  double most;
};

struct RandomGain : SampleTransform {
  explicit RandomGain(const NamedOptions& options)
      : least(options.real("min_db", -6)), most(options.real("max_db", 6)) {
    expect(-120 <= least && least <= most && most <= 120, "random_gain", "decibels of -120 .. 120, the least first",
           std::to_string(least) + " .. " + std::to_string(most));
  }
  void apply_to_samples(std::span<const float> samples, const ImageShape& /*shape*/, std::span<float> out,
                        RandomSequence& random) const override {
    const auto factor = static_cast<float>(std::pow(10, (least + (most - least) * random.uniform()) / 20));
    std::transform(samples.begin(), samples.end(), out.begin(), [=](float sample) { return factor * sample; });
  }
  double least, most;
};

}  // namespace

TransformKinds sample_transforms() {
  return {{"pad_or_trim", factory_of<PadOrTrim>()},
          {"random_shift", factory_of<RandomShift>()},
          {"random_gain", factory_of<RandomGain>()}};
}

}  // namespace striate

#pragma once
// From an image's bytes to what a network reads: (byte / 255 - mean) / std, with one mean and deviation a channel. A
// dataset carries its own (data/dataset.h), a model card those of the data that the model was trained on
// (models/model_card.h). data/normalize.h computes.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/check.h"

namespace striate {

/// Of values in [0,1], by channel. Empty: default_normalization().
struct Normalization {
  std::vector<double> mean{};
  std::vector<double> std{};
  bool operator==(const Normalization&) const = default;

  /// With a value for every channel. Throws std::invalid_argument where there is another number of values, one that is
  /// not finite, or a std that is not above 0.
  [[nodiscard]] Normalization for_channels(std::int64_t channels) const;
};

/// Where the data does not say: CIFAR-10's for three channels (red, green, blue), MNIST's for one, else 0.5 and 0.5.
inline Normalization default_normalization(std::int64_t channels) {
  expect(channels >= 1 && channels <= 1 << 20, "normalization", "a count of channels", channels);
  if (channels == 3) return {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  if (channels == 1) return {{0.1307}, {0.3081}};
  return {std::vector<double>(static_cast<std::size_t>(channels), 0.5),
          std::vector<double>(static_cast<std::size_t>(channels), 0.5)};
}

inline Normalization Normalization::for_channels(std::int64_t channels) const {
  if (mean.empty() && std.empty()) return default_normalization(channels);
  const auto count = static_cast<std::size_t>(channels);
  expect(mean.size() == count && std.size() == count, "normalization",
         "a mean and a std for each of " + std::to_string(channels) + " channels",
         std::to_string(mean.size()) + " and " + std::to_string(std.size()));
  for (const double value : mean) expect(std::isfinite(value), "normalization", "a finite mean", value);
  for (const double value : std) expect(std::isfinite(value) && value > 0, "normalization", "a std above 0", value);
  return *this;
}

}  // namespace striate

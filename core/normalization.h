#pragma once
// From an image's bytes to what a network reads: (byte / 255 - mean) / std, with one mean and deviation a channel. A
// dataset carries its own (data/dataset.h), a model card those of the data that the model was trained on
// (models/model_card.h).

#include <cstddef>
#include <cstdint>
#include <vector>

namespace striate {

/// Of values in [0,1], by channel.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> std;
  bool operator==(const Normalization&) const = default;
};

/// Where the data does not say: CIFAR-10's for three channels (red, green, blue), MNIST's for one, else 0.5 and 0.5.
inline Normalization default_normalization(std::int64_t channels) {
  if (channels == 3) return {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  if (channels == 1) return {{0.1307}, {0.3081}};
  return {std::vector<double>(static_cast<std::size_t>(channels), 0.5),
          std::vector<double>(static_cast<std::size_t>(channels), 0.5)};
}

}  // namespace striate

#pragma once
// The operations that rand_augment and trivial_augment_wide (data/auto_augment.cpp) draw from, one by one.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

struct AugmentOp {
  std::string name;   ///< torchvision's
  bool is_signed;     ///< half of the time the magnitude is negative
  bool moves_pixels;  ///< changes places, not colours
  /// The magnitudes of the bins go in even steps from `from` to `rand_to` in RandAugment, to `wide_to` in
  /// TrivialAugmentWide.
  double from, rand_to, wide_to;
  /// Changes an image, bytes (height,width,channels) of 1 or 3 channels, in place, as torchvision changes one of
  /// Pillow's.
  void (*apply)(std::span<std::uint8_t> image, const ImageShape& shape, double magnitude);
};

/// Identity, ShearX, ShearY, TranslateX, ... in torchvision's order.
const std::vector<AugmentOp>& augment_ops();

/// Of a bin of `bins` >= 2. A translation's `rand_to` is a share of the image's side.
double rand_augment_magnitude(const AugmentOp& op, const ImageShape& shape, std::int64_t bin, std::int64_t bins);
double trivial_augment_magnitude(const AugmentOp& op, std::int64_t bin, std::int64_t bins);

}  // namespace striate

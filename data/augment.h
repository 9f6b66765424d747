#pragma once
// Random crops, flips and cutout, drawn for each image and applied on the way from bytes to normalised
// values.

#include <cstdint>

#include "core/random.h"
#include "core/tensor.h"

namespace striate {

enum class PadMode : std::uint8_t {
  /// Zeros in the normalised image: the mean colour. (torchvision pads black pixels before it normalises.)
  zero,
  /// Mirrored without repeating the border, as PyTorch's "reflect".
  reflect,
};

/// Nothing by default.
struct AugmentOptions {
  std::int64_t crop_padding = 0;  ///< pads so many pixels on each side and crops back to the size; 0: no crop
  PadMode pad_mode = PadMode::zero;
  bool flip = false;        ///< mirrors left and right with probability 1/2
  std::int64_t cutout = 0;  ///< side of the square set to zero (after normalising); 0: none. DeVries and Taylor, 2017

  /// Crop with zero padding 4, and flip.
  static AugmentOptions standard() { return {.crop_padding = 4, .flip = true}; }
};

/// What was drawn for one image of size (height, width). Crop, then flip, then cutout.
struct Augmentation {
  std::int64_t shift_y = 0;  ///< row y of the result is row y + shift_y of the image; -padding .. padding
  std::int64_t shift_x = 0;
  bool flipped = false;
  /// The square in the result, clipped to the image: rows [cut_top, cut_bottom), columns [cut_left,
  /// cut_right). Its centre is any pixel; of an even side, the centre is the lower right one of the middle
  /// four.
  std::int64_t cut_top = 0;
  std::int64_t cut_bottom = 0;
  std::int64_t cut_left = 0;
  std::int64_t cut_right = 0;
};

/// Throws std::invalid_argument for negative sizes and where reflect padding is not less than the image's
/// sides.
void check_augment(const AugmentOptions& options, std::int64_t height, std::int64_t width);

/// A function of (options, size, stream) alone. Each draw has its own place in the stream, so that options do
/// not change each other's numbers. The loader's stream is random_stream(seed, RandomUse::augment, epoch,
/// image's index in the data set).
Augmentation draw_augmentation(const AugmentOptions& options, std::int64_t height, std::int64_t width,
                               RandomStream stream);

/// image: bytes (height, width, 3) -> out: normalised values of the same shape. T is float or double.
template <class T>
void augment_image(const std::uint8_t* image, std::int64_t height, std::int64_t width, PadMode pad_mode,
                   const Augmentation& augmentation, T* out);

}  // namespace striate

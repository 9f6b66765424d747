#pragma once
// The standard augmentation: random crops, flips, and cutout or random erasing, drawn for each image and applied in one
// pass on the way from bytes to normalised values. Loader (data/loader.h) calls it; what else may be done to pixels is
// in data/transform.h.

#include <cstdint>
#include <string>
#include <utility>

#include "core/random.h"
#include "data/image.h"

namespace striate {

enum class PadMode : std::uint8_t {
  /// Zeros in the normalised image: the mean colour. (torchvision pads black pixels before it normalises.)
  zero,
  /// Mirrored without repeating the border, as PyTorch's "reflect".
  reflect,
};

enum class FlipMode : std::uint8_t {
  none,
  /// Mirrored left and right with probability 1/2.
  random,
  /// Half of the images, drawn at random, are mirrored in epochs 0, 2, 4, ..., the others in epochs 1, 3, 5, ...: an
  /// image and its mirror image are seen equally often. (Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024.)
  alternating,
};

/// Random rectangles: their share of an image's area, evenly from [scale_min, scale_max), and the ratio of their sides,
/// the logarithm of which is drawn evenly. As torchvision's RandomErasing and RandomResizedCrop.
struct RectangleRange {
  double scale_min = 0;
  double scale_max = 1;
  double ratio_min = 1;
  double ratio_max = 1;
};

/// Throws std::invalid_argument unless 0 <= scale_min <= scale_max <= 1 and 0 < ratio_min <= ratio_max. `op` goes into
/// the message.
void check_rectangle_range(const std::string& op, const RectangleRange& range);

/// Two sides, rounded, with ratio = first / second: two draws. They may be 0 or larger than the image's.
std::pair<std::int64_t, std::int64_t> draw_sides(double area, const RectangleRange& range, RandomSequence& random);

/// Nothing by default.
struct AugmentOptions {
  std::int64_t crop_padding = 0;  ///< pads so many pixels on each side and crops back to the size; 0: no crop
  PadMode pad_mode = PadMode::zero;
  FlipMode flip = FlipMode::none;
  std::int64_t cutout = 0;  ///< side of the square set to zero (after normalising); 0: none. DeVries and Taylor, 2017
  /// Probability of a rectangle of erasing_range (height to width) set to zero after normalising, in the place of
  /// cutout; torchvision's RandomErasing has 0.5. Zhong et al., "Random Erasing Data Augmentation", 2017.
  double erasing = 0;
  RectangleRange erasing_range{.scale_min = 0.02, .scale_max = 0.33, .ratio_min = 0.3, .ratio_max = 3.3};

  /// Crop with zero padding 4, and flip.
  static AugmentOptions standard() { return {.crop_padding = 4, .flip = FlipMode::random}; }
};

/// What was drawn for one image of size (height, width). Crop, then flip, then cutout or erasing.
struct Augmentation {
  std::int64_t shift_y = 0;  ///< row y of the result is row y + shift_y of the image; -padding .. padding
  std::int64_t shift_x = 0;
  bool flipped = false;
  /// What is set to zero in the result: rows [cut_top, cut_bottom), columns [cut_left, cut_right). Cutout's square is
  /// clipped to the image; its centre is any pixel, of an even side the lower right one of the middle four. Erasing's
  /// rectangle is smaller than the image and anywhere in it.
  std::int64_t cut_top = 0;
  std::int64_t cut_bottom = 0;
  std::int64_t cut_left = 0;
  std::int64_t cut_right = 0;
};

/// Throws std::invalid_argument for negative sizes, where reflect padding is not less than the image's sides, and for
/// cutout together with erasing.
void check_augment(const AugmentOptions& options, std::int64_t height, std::int64_t width);

/// What a draw depends on besides the options and the image's size.
struct DrawPlace {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint64_t image = 0;  ///< its index in the data set
};

/// A function of its arguments alone. Options do not change each other's numbers.
Augmentation draw_augmentation(const AugmentOptions& options, std::int64_t height, std::int64_t width,
                               const DrawPlace& place);

/// image: bytes (height,width,channels) -> out: normalised values of the same shape. table: normalize_table()'s
/// (channels,256). T is float or double.
template <class T>
void augment_image(const std::uint8_t* image, const ImageShape& shape, PadMode pad_mode,
                   const Augmentation& augmentation, const T* table, T* out);

}  // namespace striate

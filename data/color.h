#pragma once
// Changes of colour by a factor, byte for byte torchvision's adjust_brightness() and so on for Pillow's pictures. An
// image is bytes (height,width,channels) of 1 or 3 channels (grey; red, green, blue) and is changed in place.
// color_jitter (data/color_transforms.cpp) and data/auto_augment.cpp call them.
//
// Four of them blend the image with one that lacks something: lacking + factor * (value - lacking), rounded down and
// cut to 0 .. 255. A factor of 0 gives the lacking image, 1 the image itself, a larger one exaggerates. (Pillow's
// ImageEnhance; Haeberli and Voorhies, "Image Processing By Interpolation and Extrapolation", 1994.)

#include <cstdint>
#include <span>

#include "data/dataset.h"

namespace striate {

/// Blended with black.
void adjust_brightness(std::span<std::uint8_t> image, double factor);

/// Blended with the mean of luma() (data/image.h), rounded.
void adjust_contrast(std::span<std::uint8_t> image, std::int64_t channels, double factor);

/// Every pixel blended with its luma(). Grey stays.
void adjust_saturation(std::span<std::uint8_t> image, std::int64_t channels, double factor);

/// Blended with the image under a 3x3 filter, (the sum of nine pixels + 4 * the middle one) / 13, rounded. The pixels
/// at the border stay.
void adjust_sharpness(std::span<std::uint8_t> image, const ImageShape& shape, double factor);

/// The hue of every pixel turned by `turn` (-0.5 .. 0.5) of the circle, by way of hue, saturation and value as bytes:
/// a turn of 0 changes pixels a little, too. Grey stays.
void adjust_hue(std::span<std::uint8_t> image, std::int64_t channels, double turn);

}  // namespace striate

#pragma once
// Rotated, sheared and moved images as torchvision's rotate() and affine() make them of Pillow's pictures: the nearest
// pixel, black from outside. data/auto_augment.cpp calls.

#include <array>
#include <cstdint>
#include <span>

#include "data/dataset.h"

namespace striate {

/// Where a pixel comes from: the place (x, y) of the result shows (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]) of
/// the image. The middle of the upper left pixel is (1/2, 1/2).
using AffineMatrix = std::array<double, 6>;

/// So many degrees counter-clockwise around the middle.
AffineMatrix rotation(double degrees, const ImageShape& shape);

/// image: bytes (height,width,channels) of `shape`, changed in place. Byte for byte Pillow's
/// transform(size, AFFINE, m, NEAREST), which has 16 bits behind the point, on sides below 32768.
void affine_nearest(std::span<std::uint8_t> image, const ImageShape& shape, const AffineMatrix& m);

}  // namespace striate

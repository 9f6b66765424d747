#pragma once
// Which way up a picture is, as cameras note it in Exif. The decoders of JPEG and PNG (data/decoders.h) call.

#include <cstdint>
#include <span>

#include "core/tensor.h"

namespace striate {

/// The tag Orientation in Exif's data (a TIFF header and its first directory): 1 .. 8, and 1 where there is none or the
/// data are damaged.
int exif_orientation(std::span<const std::uint8_t> exif);

/// A picture (H,W,C) as it is to be looked at: mirrored, turned or both. As Pillow's ImageOps.exif_transpose.
Tensor upright(const Tensor& picture, int orientation);

}  // namespace striate

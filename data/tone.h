#pragma once
// Changes of every value of a channel by one table, byte for byte Pillow's ImageOps. Images are bytes
// (height,width,channels), changed in place. data/auto_augment.cpp calls them.

#include <cstdint>
#include <span>

namespace striate {

/// Keeps the `bits` (0 .. 8) highest bits of every value.
void posterize(std::span<std::uint8_t> image, int bits);

/// 255 - value where a value is not below the threshold.
void solarize(std::span<std::uint8_t> image, double threshold);

/// In every channel, its least value becomes 0, its largest 255, and those between follow in a line, rounded down.
void autocontrast(std::span<std::uint8_t> image, std::int64_t channels);

/// In every channel, a value becomes the share of pixels below it, times about 255: all values come about equally
/// often.
void equalize(std::span<std::uint8_t> image, std::int64_t channels);

}  // namespace striate

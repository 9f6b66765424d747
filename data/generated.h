#pragma once
// The generated set, for `striate generate` and tests: ten classes of textured shapes, for when there is no CIFAR-10. A
// class is a shape (disc, square, triangle, cross, ring; all of one area) with a texture (stripes, spots). Place, size,
// rotation, the two colours, the texture's period and angle, the background and noise have the same distribution in all
// classes, so colours do not give a class away.

#include <cstdint>
#include <filesystem>

#include "data/dataset.h"

namespace striate {

struct GenerateOptions {
  std::uint64_t seed = 0;
  std::int64_t train_images = 10000;
  std::int64_t test_images = 2000;
};

/// Draws one split: images (N,32,32,3); every class as often as any other, to one image, in random order. A
/// function of (options, split) alone. Throws std::invalid_argument below 5 training images or 1 test image.
Dataset generate_split(const GenerateOptions& options, Split split);

/// Draws both splits into `folder` (made where it is missing) as CIFAR-10's binary files: data_batch_1.bin
/// .. data_batch_5.bin, test_batch.bin, batches.meta.txt. Throws FileError where it cannot write.
void generate_folder(const std::filesystem::path& folder, const GenerateOptions& options);

}  // namespace striate

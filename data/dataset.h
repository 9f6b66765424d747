#pragma once
// Labelled images in memory, and the two kinds of folder they come from.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// Images kept once, as bytes. A copy shares the memory.
struct Dataset {
  Tensor images;                         ///< u8 (N,H,W,C)
  Tensor labels;                         ///< i64 (N), each 0 .. class_names.size()-1
  std::vector<std::string> class_names;  ///< by label

  [[nodiscard]] std::int64_t size() const { return labels.size(0); }
  [[nodiscard]] std::int64_t classes() const { return static_cast<std::int64_t>(class_names.size()); }
};

enum class Split : std::uint8_t { train, test };

/// "train" or "test".
std::string to_string(Split split);

enum class FolderKind : std::uint8_t { cifar10, images };

struct DataFolder {
  FolderKind kind = FolderKind::cifar10;
  std::filesystem::path path;  ///< where the batch files are, or train/ and test/
};

/// Tells what a folder holds: CIFAR-10's binary files (also in a subfolder cifar-10-batches-bin), else an
/// image folder with train/ or test/. Throws FileError that says what was looked for and how to get data.
DataFolder find_data(const std::filesystem::path& path);

/// Loads one split of either kind. Throws FileError.
Dataset load_split(const std::filesystem::path& path, Split split);

/// The first `count` images (all where there are fewer), copied. Throws std::invalid_argument below 1.
Dataset first_images(const Dataset& dataset, std::int64_t count);

}  // namespace striate

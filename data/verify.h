#pragma once
// A look through a whole data folder, for `striate verify`: counts, and every problem instead of the first
// one.

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

struct SplitReport {
  std::int64_t images = 0;                 ///< readable ones
  Shape image_shape;                       ///< (H,W,C) of the first; empty where none is readable
  std::vector<std::int64_t> class_counts;  ///< by label
};

struct FolderReport {
  DataFolder folder;
  std::vector<std::string> class_names;
  SplitReport train;
  SplitReport test;
  /// What is wrong, a sentence each with the file it is about: files that are missing, truncated or
  /// unreadable, labels out of range, sizes that differ, classes without images.
  std::vector<std::string> problems;

  [[nodiscard]] bool ok() const { return problems.empty(); }
};

/// Reads every image of both splits. Throws FileError only where the folder is no data folder at all.
FolderReport verify_folder(const std::filesystem::path& path);

}  // namespace striate

#pragma once
// A look through a whole data set, for `striate verify`: counts, and every problem instead of the first one. What there
// is to know of a format is in its DatasetFormat::read (data/dataset.h).

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

struct SplitReport {
  std::int64_t images = 0;                   ///< valid ones
  ImageShape image_shape{};                  ///< zeros where none is
  std::vector<std::int64_t> class_counts{};  ///< by label: images, for segmentation pixels
};

struct DatasetReport {
  std::string format;  ///< its name
  std::vector<std::string> class_names = {};
  SplitReport train = {};
  SplitReport validation = {};
  SplitReport test = {};
  /// What is wrong, a sentence each with the file it is about: files that are missing, truncated or
  /// unreadable, labels out of range, sizes that differ, classes without images.
  std::vector<std::string> problems = {};

  std::vector<std::string> notes = {};  ///< Dataset::notes of both splits

  [[nodiscard]] bool ok() const { return problems.empty(); }
};

/// Reads every image of both splits. `format` and `load` as in load_dataset. Throws FileError only where no format is
/// given and none recognises the path; std::invalid_argument for unknown names and options.
DatasetReport verify_dataset(const std::filesystem::path& path, const std::string& format = "",
                             const DataOptions& load = {});

}  // namespace striate

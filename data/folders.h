#pragma once
// What the formats of files in folders share (data/image_folder.cpp, data/segmentation_folder.cpp): what lies in a
// folder, where a split is, and what is told of files that cannot be used.

#include <filesystem>
#include <string>
#include <vector>

#include "data/format.h"
#include "data/image_files.h"

namespace striate {

bool is_folder(const std::filesystem::path& path);

/// Where a split lies, or would: train/; test/, else val/; val/ to choose by where test/ is there too.
std::filesystem::path split_folder(const std::filesystem::path& path, Split split);

/// What a folder holds.
struct Listing {
  std::vector<std::string> folders{};  ///< names, sorted
  std::vector<std::string> images{};
  std::vector<std::string> others{};  ///< of files that are no images by their endings
  std::vector<std::string> junk{};    ///< of hidden files and what desktops leave behind
};

/// Hidden folders are in none of the four. A link that leads nowhere or around is a problem, unless it is hidden.
Listing list_folder(const std::filesystem::path& folder, Problems& problems);

/// Files that cannot be read, as a note.
void leave_out(const std::filesystem::path& root, const Problems& broken, Dataset& dataset);

/// One problem for all images of another size than the first: a folder of photographs has thousands.
void expect_one_size(const ScannedFiles& scanned, Problems& problems);

}  // namespace striate

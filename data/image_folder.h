#pragma once
// Images in folders: train/<class>/*.png, test/<class>/*.jpg, ... Classes and files are taken in the order of
// their names' bytes; files that are no images by their extension are passed over.

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

/// The classes of a folder: the subfolders of train/, or of test/ where there is no train/. Throws FileError
/// where there are none.
std::vector<std::string> image_folder_classes(const std::filesystem::path& folder);

struct LabelledFile {
  std::filesystem::path file;
  std::int64_t label = 0;
};

/// The image files of a split, class by class. Throws FileError where the split or its images are missing or
/// it has a class that is not among class_names.
std::vector<LabelledFile> list_images(const std::filesystem::path& folder, Split split,
                                      const std::vector<std::string>& class_names);

/// Decodes a split in parallel: images (N,H,W,3). Throws FileError for an image that cannot be decoded or
/// whose size differs from the first one's.
Dataset load_image_folder(const std::filesystem::path& folder, Split split);

}  // namespace striate

#pragma once
// Pictures and recordings in files as an ImageSource (data/dataset.h): read once at the start, which finds every broken
// one, and decoded again where they are needed unless they fit in the cache. data/image_folder.cpp lists the files.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "core/error.h"
#include "data/dataset.h"

namespace striate {

struct ScannedFiles {
  std::shared_ptr<const ImageSource> images;  ///< the valid ones, in the order of the files; null where there is none
  std::vector<std::int64_t> places;           ///< of the valid ones among the files
  std::vector<ImageShape> shapes;             ///< of the valid ones
  std::vector<FileError> problems;            ///< of the others
};

/// Reads a file. Called from several threads at a time. Throws FileError.
using PictureReader = std::function<Picture(const std::filesystem::path& file)>;

/// read_image with this many channels.
PictureReader picture_reader(std::int64_t channels, const DataOptions& load);

/// Reads every file, in parallel. The first pictures up to load.cache_bytes in all stay in memory.
ScannedFiles scan_images(const std::vector<std::filesystem::path>& files, const PictureReader& read,
                         const DataOptions& load);

}  // namespace striate

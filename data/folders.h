#pragma once
// What the formats of files in folders share (data/image_folder.cpp, data/audio_folder.cpp,
// data/segmentation_folder.cpp): what lies in a folder, where a split is, and what is told of files that cannot be
// used.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/format.h"
#include "data/image.h"
#include "data/image_files.h"

namespace striate {

using FileTest = bool (*)(const std::filesystem::path& file);

/// What the files in a folder are read as.
struct FileKind {
  std::string noun;     ///< "image"
  std::string endings;  ///< what is read, for messages: "jpg, png, bmp, gif, ppm and pgm"
  FileTest is_one;      ///< by the ending
  PictureReader read;
  Transforms transforms{};  ///< what brings them to one size, besides an image size
};

/// Files in the folders of their classes, as image_folder_format (data/format.h) says; `kind` reads the options.
DatasetFormat class_folders(FileTest is_one, FileKind (*kind)(const ReadRequest& request), const std::string& help);

struct LabelledFile {
  std::filesystem::path file;
  std::int64_t label = 0;
};

/// Reads files to the images, labels and transforms of a data set. Broken ones, after those in `broken`, are problems,
/// or with skip_broken a note that names `root`.
void read_labelled(const FileKind& kind, const std::filesystem::path& root, const std::vector<LabelledFile>& files,
                   const ReadRequest& request, Problems broken, Dataset& dataset);

bool is_folder(const std::filesystem::path& path);

/// Where a split lies, or would: train/; test/, else val/; val/ to choose by where test/ is there too.
std::filesystem::path split_folder(const std::filesystem::path& path, Split split);

/// What a folder holds.
struct Listing {
  std::vector<std::string> folders{};  ///< names, sorted
  std::vector<std::string> images{};
  std::vector<std::string> others{};  ///< of files that are no images (or no recordings) by their endings
  std::vector<std::string> junk{};    ///< of hidden files and what desktops leave behind
};

/// Hidden folders are in none of the four. A link that leads nowhere or around is a problem, unless it is hidden.
Listing list_folder(const std::filesystem::path& folder, Problems& problems, FileTest is_one = is_image_file);

/// Files that cannot be read, as a note.
void leave_out(const std::filesystem::path& root, const Problems& broken, Dataset& dataset);

/// One problem for all images of another size than the first: a folder of photographs has thousands. With `any_size`,
/// for recordings of another rate or other channels.
void expect_one_size(const ScannedFiles& scanned, Problems& problems, bool any_size = false);

}  // namespace striate

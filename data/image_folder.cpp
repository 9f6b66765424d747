#include "data/image_folder.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "data/image.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

enum class Entry : std::uint8_t { folder, image };

/// Names of the subfolders or of the image files of a folder, sorted.
std::vector<std::string> list_names(const fs::path& folder, Entry wanted) {
  std::vector<std::string> names;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const bool taken =
          wanted == Entry::folder ? entry.is_directory() : entry.is_regular_file() && is_image_file(entry.path());
      std::string name = entry.path().filename().string();
      if (taken && name.front() != '.') names.push_back(std::move(name));
    }
  } catch (const fs::filesystem_error& error) {
    throw FileError(folder.string(), "cannot be listed: " + error.code().message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<std::string> image_folder_classes(const fs::path& folder) {
  std::error_code ignored;
  const fs::path split = folder / (fs::is_directory(folder / "train", ignored) ? "train" : "test");
  std::vector<std::string> names = list_names(split, Entry::folder);
  if (names.empty()) throw FileError(split.string(), "expected a subfolder for each class, found none");
  return names;
}

std::vector<LabelledFile> list_images(const fs::path& folder, Split split,
                                      const std::vector<std::string>& class_names) {
  const fs::path root = folder / to_string(split);
  std::error_code ignored;
  if (!fs::is_directory(root, ignored)) {
    throw FileError(root.string(), "missing; expected a folder with a subfolder of images for each class");
  }
  std::vector<LabelledFile> files;
  for (const std::string& name : list_names(root, Entry::folder)) {
    const auto found = std::find(class_names.begin(), class_names.end(), name);
    if (found == class_names.end()) {
      throw FileError((root / name).string(), "no class of this name in train/, which fixes the labels");
    }
    for (const std::string& image : list_names(root / name, Entry::image)) {
      files.push_back({root / name / image, found - class_names.begin()});
    }
  }
  if (files.empty()) throw FileError(root.string(), "expected image files in <class>/, found none");
  return files;
}

Dataset load_image_folder(const fs::path& folder, Split split) {
  std::vector<std::string> class_names = image_folder_classes(folder);
  const std::vector<LabelledFile> files = list_images(folder, split, class_names);
  const auto count = static_cast<std::int64_t>(files.size());
  const Shape image_shape = read_image(files[0].file).shape();
  Dataset result{Tensor::empty({count, image_shape[0], image_shape[1], image_shape[2]}, DType::u8),
                 Tensor::empty({count}, DType::i64), std::move(class_names)};
  auto* images = result.images.mutable_data<std::uint8_t>();
  auto* labels = result.labels.mutable_data<std::int64_t>();
  parallel_for(count, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const LabelledFile& entry = files[static_cast<std::size_t>(i)];
      const Tensor image = read_image(entry.file);
      if (image.shape() != image_shape) {
        throw FileError(entry.file.string(), "expected an image of size " + to_string(image_shape) + " as " +
                                                 files[0].file.string() + ", got " + to_string(image.shape()));
      }
      std::memcpy(images + i * image.numel(), image.raw(), image.bytes());
      labels[i] = entry.label;
    }
  });
  return result;
}

}  // namespace striate

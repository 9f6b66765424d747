// Images in folders, the format image-folder. data/image.h decodes.
#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "core/parallel.h"
#include "data/format.h"
#include "data/image.h"
#include "data/subset.h"

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

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<std::string> class_names_of(const fs::path& folder) {
  const fs::path split = folder / (is_folder(folder / "train") ? "train" : "test");
  std::vector<std::string> names = list_names(split, Entry::folder);
  if (names.empty()) throw FileError(split.string(), "expected a subfolder for each class, found none");
  return names;
}

struct LabelledFile {
  fs::path file;
  std::int64_t label = 0;
};

/// The image files of a split, class by class.
std::vector<LabelledFile> list_images(const fs::path& folder, Split split,
                                      const std::vector<std::string>& class_names) {
  const fs::path root = folder / to_string(split);
  if (!is_folder(root)) {
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

/// The place and the shape of the first image that can be decoded.
std::pair<std::size_t, Shape> first_readable(const std::vector<LabelledFile>& files, std::int64_t channels) {
  for (std::size_t i = 0;; ++i) {
    try {
      return {i, read_image(files[i].file, channels).shape()};
    } catch (const FileError&) {
      if (i + 1 == files.size()) throw;
    }
  }
}

/// Decodes the valid images in parallel.
void read_images(const std::vector<LabelledFile>& files, std::int64_t channels, Dataset& dataset, Problems problems) {
  const auto [first, shape] = first_readable(files, channels);
  const auto count = static_cast<std::int64_t>(files.size());
  dataset.images = Tensor::empty({count, shape[0], shape[1], channels}, DType::u8);
  dataset.labels = Tensor::empty({count}, DType::i64);
  auto* images = dataset.images.mutable_data<std::uint8_t>();
  auto* labels = dataset.labels.mutable_data<std::int64_t>();
  std::vector<std::vector<std::string>> found(files.size());
  parallel_for(count, 16, [&, first = first, &shape = shape](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto& [file, label] = files[static_cast<std::size_t>(i)];
      labels[i] = label;
      attempt(problems == nullptr ? nullptr : &found[static_cast<std::size_t>(i)], [&, &file = file] {
        const Tensor image = read_image(file, channels);
        if (image.shape() != shape) {
          throw FileError(file.string(), "expected an image of size " + to_string(shape) + " as " +
                                             files[first].file.string() + ", got " + to_string(image.shape()));
        }
        std::memcpy(images + i * image.numel(), image.raw(), image.bytes());
      });
    }
  });
  if (problems == nullptr) return;
  std::vector<std::int64_t> good;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].empty()) good.push_back(static_cast<std::int64_t>(i));
    problems->insert(problems->end(), found[i].begin(), found[i].end());
  }
  dataset = images_at(dataset, good);
}

Dataset read_folder(const ReadRequest& request) {
  const std::int64_t channels = request.options.integer("channels", 3);
  expect(channels == 1 || channels == 3, "image-folder", "1 or 3 channels", channels);
  Dataset dataset{.normalization = default_normalization(channels)};
  attempt(request.problems, [&] {
    dataset.class_names = class_names_of(request.path);
    read_images(list_images(request.path, request.split, dataset.class_names), channels, dataset, request.problems);
  });
  return dataset;
}

}  // namespace

DatasetFormat image_folder_format() {
  return {.help =
              "image files train/<class>/*.png and test/<class>/*.png (also jpg, bmp, gif, tga, ppm), all of one size; "
              "the option channels=1 makes them grey",
          .recognises = [](const fs::path& path) { return is_folder(path / "train") || is_folder(path / "test"); },
          .read = read_folder};
}

}  // namespace striate

// Images in folders, the format image-folder. data/image.h decodes.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/allocator.h"
#include "core/check.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "data/format.h"
#include "data/image.h"
#include "data/subset.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// What a folder holds.
struct Listing {
  std::vector<std::string> folders{};  ///< names, sorted
  std::vector<std::string> images{};
  std::vector<std::string> others{};  ///< of files that are no images by their endings
};

/// Hidden files and what desktops leave behind are in none of the three. A link that leads nowhere or around is a
/// problem.
Listing list_folder(const fs::path& folder, Problems& problems) {
  constexpr std::array left_by_desktops = {"Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r"};
  Listing listing;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool junk = std::find(left_by_desktops.begin(), left_by_desktops.end(), name) != left_by_desktops.end();
    if (name.front() == '.' || junk) continue;
    std::error_code unclear;
    const fs::file_status status = entry->status(unclear);
    if (unclear) {
      problems.emplace_back(entry->path().string(), "cannot be followed: " + unclear.message());
    } else if (fs::is_directory(status)) {
      listing.folders.push_back(name);
    } else {
      (fs::is_regular_file(status) && is_image_file(name) ? listing.images : listing.others).push_back(name);
    }
  }
  if (error) problems.emplace_back(folder.string(), "cannot be listed: " + error.message());
  for (auto* names : {&listing.folders, &listing.images, &listing.others}) std::sort(names->begin(), names->end());
  return listing;
}

struct LabelledFile {
  fs::path file;
  std::int64_t label = 0;
};

/// The image files in the classes of a split, class by class. A note says what was passed over.
std::vector<LabelledFile> list_images(const fs::path& root, const Listing& classes, Dataset& dataset,
                                      Problems& problems) {
  std::vector<LabelledFile> files;
  std::vector<std::string> passed_over;
  const auto pass_over = [&](const fs::path& folder, const std::vector<std::string>& names) {
    for (const std::string& name : names) passed_over.push_back((folder / name).string());
  };
  pass_over(root, classes.images);
  pass_over(root, classes.others);
  for (const std::string& name : classes.folders) {
    const auto found = std::find(dataset.class_names.begin(), dataset.class_names.end(), name);
    if (found == dataset.class_names.end()) {
      problems.emplace_back((root / name).string(), "no class of this name in train/, which fixes the labels");
      continue;
    }
    const Listing inside = list_folder(root / name, problems);
    for (const std::string& image : inside.images) {
      files.push_back({root / name / image, found - dataset.class_names.begin()});
    }
    pass_over(root / name, inside.others);
    pass_over(root / name, inside.folders);
  }
  if (!passed_over.empty()) {
    dataset.notes.push_back(root.string() + ": " + std::to_string(passed_over.size()) +
                            " files and folders are passed over, such as " + printable(passed_over[0]) +
                            "; what is read: jpg, png, bmp, ppm and pgm files right in the folder of a class");
  }
  return files;
}

/// Decodes the valid images in parallel.
void read_images(const std::vector<LabelledFile>& files, std::int64_t channels, const DataOptions& load,
                 Dataset& dataset, Problems& problems) {
  const auto read = [&](const fs::path& file) {
    const Tensor image = read_image(file, channels, load.max_pixels);
    return load.image_size > 0 ? resized(image, load.image_size, load.image_size) : image;
  };
  Shape shape;  // of the first image that can be decoded, which the others must have
  std::size_t first = 0;
  for (; shape.empty() && first < files.size(); ++first) {
    Problems said_below;
    attempt(said_below, [&] { shape = read(files[first].file).shape(); });
  }
  if (shape.empty()) shape = {0, 0, channels};
  const auto count = static_cast<std::int64_t>(files.size());
  Dataset all = dataset;
  try {
    all.images = Tensor::empty({count, shape[0], shape[1], channels}, DType::u8);
  } catch (const OutOfMemory&) {
    throw FileError(files[first - 1].file.string(),
                    std::to_string(count) + " images of its size " + to_string(shape) +
                        " take more memory than there is; give a smaller image size (--image-size), or fewer images");
  }
  all.labels = Tensor::empty({count}, DType::i64);
  auto* images = all.images.mutable_data<std::uint8_t>();
  auto* labels = all.labels.mutable_data<std::int64_t>();
  std::vector<Problems> found(files.size());
  parallel_for(count, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto& [file, label] = files[static_cast<std::size_t>(i)];
      labels[i] = label;
      attempt(found[static_cast<std::size_t>(i)], [&, &file = file] {
        const Tensor image = read(file);
        if (image.shape() != shape) {
          throw FileError(file.string(), "expected an image of size " + to_string(shape) + " as " +
                                             printable(files[first - 1].file.string()) + ", got " +
                                             to_string(image.shape()) +
                                             "; to bring all to one size, give it (--image-size)");
        }
        std::memcpy(images + i * image.numel(), image.raw(), image.bytes());
      });
    }
  });
  std::vector<std::int64_t> good;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].empty()) good.push_back(static_cast<std::int64_t>(i));
    problems.insert(problems.end(), found[i].begin(), found[i].end());
  }
  if (good.empty()) return;
  dataset = good.size() == files.size() ? all : images_at(all, good);
}

Dataset read_folder(const ReadRequest& request) {
  const std::int64_t channels = request.options.integer("channels", 3);
  expect(channels == 1 || channels == 3, "image-folder", "1 or 3 channels", channels);
  const fs::path root = request.path / to_string(request.split);
  const fs::path naming = request.path / (is_folder(request.path / "train") ? "train" : "test");
  Dataset dataset{.normalization = default_normalization(channels)};
  const Listing names = list_folder(naming, request.problems);
  dataset.class_names = names.folders;
  if (names.folders.empty()) {
    request.problems.emplace_back(naming.string(), "expected a subfolder for each class, found none");
  } else if (!is_folder(root)) {
    request.problems.emplace_back(root.string(),
                                  "missing; expected a folder with a subfolder of images for each class");
  } else {
    const std::size_t before = request.problems.size();
    const Listing classes = root == naming ? names : list_folder(root, request.problems);
    const std::vector<LabelledFile> files = list_images(root, classes, dataset, request.problems);
    if (!files.empty()) {
      read_images(files, channels, request.load, dataset, request.problems);
    } else if (request.problems.size() == before) {
      request.problems.emplace_back(root.string(), "expected image files in <class>/, found none" +
                                                       (dataset.notes.empty() ? "" : "; " + dataset.notes[0]));
    }
  }
  return dataset;
}

}  // namespace

DatasetFormat image_folder_format() {
  return {
      .help =
          "image files train/<class>/*.png and test/<class>/*.png (also jpg, bmp, ppm, pgm), all of one size or with "
          "an image size; the option channels=1 makes them grey",
      .recognises = [](const fs::path& path) { return is_folder(path / "train") || is_folder(path / "test"); },
      .read = read_folder};
}

}  // namespace striate

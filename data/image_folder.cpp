// Files in the folders of their classes, and of images the format image-folder. data/image.h decodes.
#include <algorithm>

#include "core/check.h"
#include "core/printable.h"
#include "core/text.h"
#include "data/folders.h"
#include "data/format.h"
#include "data/image.h"
#include "data/image_files.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

/// Whether a folder holds classes right away, without train/ above them: some folder in it holds an image.
bool holds_classes(FileTest is_one, const fs::path& path) {
  if (is_folder(path / "train") || is_folder(path / "test") || is_folder(path / "val")) return false;
  Problems ignored;
  const Listing listing = list_folder(path, ignored, is_one);
  return std::any_of(listing.folders.begin(), listing.folders.end(), [&](const std::string& name) {
    return !list_folder(path / name, ignored, is_one).images.empty();
  });
}

/// Where a split lies, or would: the training images in the folder itself where it holds the classes.
fs::path folder_of(FileTest is_one, const fs::path& path, Split split) {
  return split == Split::train && holds_classes(is_one, path) ? path : split_folder(path, split);
}

bool holds_split(FileTest is_one, const fs::path& path, Split split) {
  if (split == Split::validation) return is_folder(path / "val") && is_folder(path / "test");
  return is_folder(folder_of(is_one, path, split));
}

/// The files of a split's classes.
class Walk {
 public:
  Walk(const FileKind& kind, Problems& problems) : kind_(kind), problems_(problems) {}

  /// All images below a folder, at any depth, in the order of their names.
  void add_class(const fs::path& folder, std::int64_t label) {
    std::error_code unclear;
    const fs::path place = fs::canonical(folder, unclear);
    if (std::find(above_.begin(), above_.end(), place) != above_.end()) {
      problems_.emplace_back(folder.string(), "is a link to a folder that it lies in");
      return;
    }
    above_.push_back(place);
    const Listing inside = list_folder(folder, problems_, kind_.is_one);
    for (const std::string& image : inside.images) files.push_back({folder / image, label});
    for (const std::string& further : inside.folders) add_class(folder / further, label);
    pass_over(folder, inside);
    above_.pop_back();
  }
  void pass_over(const fs::path& folder, const Listing& inside) {
    for (const std::string& name : inside.others) passed_over.push_back((folder / name).string());
    for (const std::string& name : inside.junk) junk.push_back((folder / name).string());
  }

  std::vector<LabelledFile> files;
  std::vector<std::string> passed_over;
  std::vector<std::string> junk;  // passed over, too

 private:
  const FileKind& kind_;
  Problems& problems_;
  std::vector<fs::path> above_;  // the folders that the walk is in
};

/// The example is one that might have been meant.
void note_passed_over(const FileKind& kind, const fs::path& root, const Walk& walk, Dataset& dataset) {
  const std::size_t count = walk.passed_over.size() + walk.junk.size();
  if (count == 0) return;
  const std::string& example = walk.passed_over.empty() ? walk.junk[0] : walk.passed_over[0];
  dataset.notes.push_back(root.string() + ": " + std::to_string(count) +
                          (count == 1 ? " file is passed over: " : " files are passed over, such as ") +
                          printable(example) + "; what is read: " + kind.endings + " files in the folder of a class");
}

/// The files in the classes of a split, class by class. A note says what was passed over.
std::vector<LabelledFile> list_files(const FileKind& kind, const fs::path& root, const Listing& classes,
                                     Dataset& dataset, Problems& problems) {
  Walk walk(kind, problems);
  walk.pass_over(root, {.others = classes.images});  // in no class
  walk.pass_over(root, classes);
  for (const std::string& name : classes.folders) {
    const auto found = std::find(dataset.class_names.begin(), dataset.class_names.end(), name);
    if (found == dataset.class_names.end()) {
      problems.emplace_back((root / name).string(), "no class of this name in the training " + kind.noun + "s (" +
                                                        printable(joined(dataset.class_names), 300) +
                                                        "), which fix the labels");
      continue;
    }
    walk.add_class(root / name, found - dataset.class_names.begin());
  }
  note_passed_over(kind, root, walk, dataset);
  return walk.files;
}

Dataset read_folder(const FileKind& kind, const ReadRequest& request) {
  const fs::path root = folder_of(kind.is_one, request.path, request.split);
  const fs::path training = folder_of(kind.is_one, request.path, Split::train);
  const fs::path naming = is_folder(training) ? training : root;
  Dataset dataset;
  const Listing names = list_folder(naming, request.problems, kind.is_one);
  dataset.class_names = names.folders;
  if (names.folders.empty()) {
    request.problems.emplace_back(naming.string(), "expected a subfolder for each class, found none");
  } else if (!is_folder(root)) {
    request.problems.emplace_back(root.string(),
                                  "missing; expected a folder with a subfolder of " + kind.noun + "s for each class");
  } else {
    const std::size_t before = request.problems.size();
    const Listing classes = root == naming ? names : list_folder(root, request.problems, kind.is_one);
    Problems broken;
    const std::vector<LabelledFile> files = list_files(kind, root, classes, dataset, broken);
    read_labelled(kind, root, files, request, broken, dataset);
    if (!dataset.source && request.problems.size() == before) {
      request.problems.emplace_back(root.string(), "expected " + kind.noun + " files in <class>/, found none" +
                                                       (dataset.notes.empty() ? "" : "; " + dataset.notes[0]));
    }
  }
  return dataset;
}

FileKind image_files(const ReadRequest& request) {
  const std::int64_t channels = request.options.integer("channels", 3);
  expect(channels == 1 || channels == 3, "image-folder", "1 or 3 channels", channels);
  return {.noun = "image",
          .endings = "jpg, png, bmp, gif, ppm and pgm",
          .is_one = is_image_file,
          .read = picture_reader(channels, request.load)};
}

}  // namespace

void read_labelled(const FileKind& kind, const fs::path& root, const std::vector<LabelledFile>& files,
                   const ReadRequest& request, Problems broken, Dataset& dataset) {
  std::vector<fs::path> paths;
  for (const LabelledFile& file : files) paths.push_back(file.file);
  const ScannedFiles scanned = scan_images(paths, kind.read, request.load);
  broken.insert(broken.end(), scanned.problems.begin(), scanned.problems.end());
  if (request.load.skip_broken) {
    leave_out(root, broken, dataset);
  } else {
    request.problems.insert(request.problems.end(), broken.begin(), broken.end());
  }
  if (!scanned.images) return;
  expect_one_size(scanned, request.problems, request.load.image_size > 0 || !kind.transforms.empty());
  dataset.source = scanned.images;
  dataset.transforms = kind.transforms;
  dataset.labels = Tensor::empty({dataset.source->size()}, DType::i64);
  std::transform(scanned.places.begin(), scanned.places.end(), dataset.labels.mutable_data<std::int64_t>(),
                 [&](std::int64_t place) { return files[static_cast<std::size_t>(place)].label; });
}

DatasetFormat class_folders(FileTest is_one, FileKind (*kind)(const ReadRequest& request), const std::string& help) {
  const auto has = [is_one](const fs::path& path, Split split) { return holds_split(is_one, path, split); };
  return {.help = help,
          .recognises = [has](const fs::path& path) { return has(path, Split::train) || has(path, Split::test); },
          .has = has,
          .read = [kind](const ReadRequest& request) { return read_folder(kind(request), request); }};
}

DatasetFormat image_folder_format() {
  return class_folders(
      is_image_file, image_files,
      "image files train/<class>/*.jpg and test/<class>/*.jpg or val/<class>/*.jpg, or <class>/*.jpg to be split "
      "(--val-split); also png, bmp, gif, ppm, pgm; all of one size or with an image size; the option channels=1 "
      "makes them grey");
}

}  // namespace striate

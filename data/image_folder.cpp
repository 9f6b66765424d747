// Images in folders, the format image-folder. data/image.h decodes.
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
bool holds_classes(const fs::path& path) {
  if (is_folder(path / "train") || is_folder(path / "test") || is_folder(path / "val")) return false;
  Problems ignored;
  const Listing listing = list_folder(path, ignored);
  return std::any_of(listing.folders.begin(), listing.folders.end(),
                     [&](const std::string& name) { return !list_folder(path / name, ignored).images.empty(); });
}

/// Where a split lies, or would: the training images in the folder itself where it holds the classes.
fs::path folder_of(const fs::path& path, Split split) {
  return split == Split::train && holds_classes(path) ? path : split_folder(path, split);
}

bool holds_split(const fs::path& path, Split split) {
  if (split == Split::validation) return is_folder(path / "val") && is_folder(path / "test");
  return is_folder(folder_of(path, split));
}

struct LabelledFile {
  fs::path file;
  std::int64_t label = 0;
};

/// The files of a split's classes.
class Walk {
 public:
  explicit Walk(Problems& problems) : problems_(problems) {}

  /// All images below a folder, at any depth, in the order of their names.
  void add_class(const fs::path& folder, std::int64_t label) {
    std::error_code unclear;
    const fs::path place = fs::canonical(folder, unclear);
    if (std::find(above_.begin(), above_.end(), place) != above_.end()) {
      problems_.emplace_back(folder.string(), "is a link to a folder that it lies in");
      return;
    }
    above_.push_back(place);
    const Listing inside = list_folder(folder, problems_);
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
  Problems& problems_;
  std::vector<fs::path> above_;  // the folders that the walk is in
};

/// The example is one that might have been meant.
void note_passed_over(const fs::path& root, const Walk& walk, Dataset& dataset) {
  const std::size_t count = walk.passed_over.size() + walk.junk.size();
  if (count == 0) return;
  const std::string& example = walk.passed_over.empty() ? walk.junk[0] : walk.passed_over[0];
  dataset.notes.push_back(root.string() + ": " + std::to_string(count) +
                          (count == 1 ? " file is passed over: " : " files are passed over, such as ") +
                          printable(example) +
                          "; what is read: jpg, png, bmp, gif, ppm and pgm files in the folder of a class");
}

/// The image files in the classes of a split, class by class. A note says what was passed over.
std::vector<LabelledFile> list_images(const fs::path& root, const Listing& classes, Dataset& dataset,
                                      Problems& problems) {
  Walk walk(problems);
  walk.pass_over(root, {.others = classes.images});  // in no class
  walk.pass_over(root, classes);
  for (const std::string& name : classes.folders) {
    const auto found = std::find(dataset.class_names.begin(), dataset.class_names.end(), name);
    if (found == dataset.class_names.end()) {
      problems.emplace_back((root / name).string(), "no class of this name in the training images (" +
                                                        printable(joined(dataset.class_names), 300) +
                                                        "), which fix the labels");
      continue;
    }
    walk.add_class(root / name, found - dataset.class_names.begin());
  }
  note_passed_over(root, walk, dataset);
  return walk.files;
}

/// The valid images and their labels.
void read_images(const std::vector<LabelledFile>& files, std::int64_t channels, const DataOptions& load,
                 Dataset& dataset, Problems& problems) {
  std::vector<fs::path> paths;
  for (const LabelledFile& file : files) paths.push_back(file.file);
  const ScannedFiles scanned = scan_images(paths, picture_reader(channels, load), load);
  problems.insert(problems.end(), scanned.problems.begin(), scanned.problems.end());
  if (!scanned.images) return;
  if (load.image_size == 0) expect_one_size(scanned, problems);
  dataset.source = scanned.images;
  dataset.labels = Tensor::empty({dataset.source->size()}, DType::i64);
  std::transform(scanned.places.begin(), scanned.places.end(), dataset.labels.mutable_data<std::int64_t>(),
                 [&](std::int64_t place) { return files[static_cast<std::size_t>(place)].label; });
}

Dataset read_folder(const ReadRequest& request) {
  const std::int64_t channels = request.options.integer("channels", 3);
  expect(channels == 1 || channels == 3, "image-folder", "1 or 3 channels", channels);
  const fs::path root = folder_of(request.path, request.split);
  const fs::path training = folder_of(request.path, Split::train);
  const fs::path naming = is_folder(training) ? training : root;
  Dataset dataset;
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
    Problems broken;
    Problems& of_files = request.load.skip_broken ? broken : request.problems;
    const std::vector<LabelledFile> files = list_images(root, classes, dataset, of_files);
    if (!files.empty()) read_images(files, channels, request.load, dataset, of_files);
    leave_out(root, broken, dataset);
    if (!dataset.source && request.problems.size() == before) {
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
          "image files train/<class>/*.jpg and test/<class>/*.jpg or val/<class>/*.jpg, or <class>/*.jpg to be split "
          "(--val-split); also png, bmp, gif, ppm, pgm; all of one size or with an image size; the option channels=1 "
          "makes them grey",
      .recognises =
          [](const fs::path& path) { return holds_split(path, Split::train) || holds_split(path, Split::test); },
      .has = holds_split,
      .read = read_folder};
}

}  // namespace striate

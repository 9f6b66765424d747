// Pictures with a class for each pixel, the format segmentation-folder. data/folders.h has what it shares with image
// folders.
#include <algorithm>
#include <sstream>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "core/own_xxhash.h"
#include "core/printable.h"
#include "core/text.h"
#include "data/folders.h"
#include "data/format.h"
#include "data/image.h"
#include "data/image_files.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostClasses = 255;

/// Pictures and label maps of the same sizes.
class LabelledPictures : public ImageSource {
 public:
  /// A place among the pictures, and one among the label maps, of each that is used.
  using Places = std::vector<std::pair<std::int64_t, std::int64_t>>;

  LabelledPictures(std::shared_ptr<const ImageSource> pictures, std::shared_ptr<const ImageSource> maps, Places places)
      : pictures_(std::move(pictures)), maps_(std::move(maps)), places_(std::move(places)) {}

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(places_.size()); }
  [[nodiscard]] ImageShape shape() const override { return pictures_->shape(); }
  [[nodiscard]] Tensor image(std::int64_t i) const override { return pictures_->image(at(i).first); }
  [[nodiscard]] std::string name(std::int64_t i) const override { return pictures_->name(at(i).first); }
  [[nodiscard]] bool has_label_maps() const override { return true; }
  [[nodiscard]] Tensor label_map(std::int64_t i) const override { return maps_->image(at(i).second); }
  [[nodiscard]] std::uint64_t hash(std::int64_t i) const override {
    const std::uint64_t of_picture = pictures_->hash(at(i).first);
    return XXH3_64bits_withSeed(&of_picture, sizeof of_picture, maps_->hash(at(i).second));
  }
  [[nodiscard]] std::int64_t cached_bytes() const override { return pictures_->cached_bytes() + maps_->cached_bytes(); }

 private:
  [[nodiscard]] const Places::value_type& at(std::int64_t i) const { return places_[static_cast<std::size_t>(i)]; }

  std::shared_ptr<const ImageSource> pictures_, maps_;
  Places places_;
};

/// The lines of classes.txt, or what the option says.
std::vector<std::string> class_names(const ReadRequest& request) {
  std::string text = request.options.text("classes", "");
  std::replace(text.begin(), text.end(), '/', '\n');
  const fs::path file = request.path / "classes.txt";
  std::error_code ignored;
  if (text.empty() && !fs::exists(file, ignored)) {
    throw FileError(file.string(),
                    "missing; expected the names of the classes 0, 1, ... here, one a line, or as an option: "
                    "segmentation-folder:classes=sky/building/road");
  }
  if (text.empty()) {
    const std::vector<std::uint8_t> bytes = read_bytes(file, 1 << 20);
    text.assign(bytes.begin(), bytes.end());
  }
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.empty() || names.size() > kMostClasses) {
    throw FileError(file.string(), "expected the names of 1 .. 255 classes, got " + std::to_string(names.size()));
  }
  return names;
}

/// A file of a label map as ImageSource::label_map has it.
Tensor read_label_map(const fs::path& file, std::int64_t classes, std::int64_t ignored, std::int64_t max_pixels) {
  Tensor map = read_indices(file, max_pixels);
  auto* pixel = map.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < map.numel(); ++i, ++pixel) {
    if (*pixel == ignored) {
      *pixel = 0;
    } else if (*pixel < classes) {
      ++*pixel;
    } else {
      throw FileError(file.string(), "expected classes 0 .. " + std::to_string(classes - 1) + ", or " +
                                         std::to_string(ignored) + " for none (the option ignore), got " +
                                         std::to_string(*pixel) + " in row " + std::to_string(i / map.size(1)) +
                                         ", column " + std::to_string(i % map.size(1)));
    }
  }
  return map;
}

/// Of pictures and label maps of the same places.
struct Pairs {
  std::vector<fs::path> pictures{}, maps{};
};

/// Every picture that has a label map; a note tells what was passed over.
Pairs list_pairs(const fs::path& root, Dataset& dataset, Problems& problems) {
  const Listing pictures = list_folder(root / "images", problems);
  const Listing maps = list_folder(root / "labels", problems);
  Pairs pairs;
  std::vector<std::string> used;
  for (const std::string& picture : pictures.images) {
    const std::string map = fs::path(picture).stem().string() + ".png";
    if (!std::binary_search(maps.images.begin(), maps.images.end(), map)) {
      problems.emplace_back((root / "images" / picture).string(), "has no label map labels/" + printable(map));
      continue;
    }
    used.push_back(map);
    pairs.pictures.push_back(root / "images" / picture);
    pairs.maps.push_back(root / "labels" / map);
  }
  std::sort(used.begin(), used.end());
  std::vector<std::string> passed_over;
  std::set_difference(maps.images.begin(), maps.images.end(), used.begin(), used.end(),
                      std::back_inserter(passed_over));
  for (const Listing* listing : {&maps, &pictures}) {
    for (const auto* names : {&listing->others, &listing->junk, &listing->folders})
      passed_over.insert(passed_over.end(), names->begin(), names->end());
  }
  if (!passed_over.empty()) {
    dataset.notes.push_back(root.string() + ": " + std::to_string(passed_over.size()) +
                            " files are passed over, such as " + printable(passed_over[0]) +
                            "; what is read: images/NAME.jpg (or png, bmp, gif, ppm, pgm) with labels/NAME.png");
  }
  return pairs;
}

/// Those of which both files are valid and of one size.
void read_pairs(const Pairs& pairs, const PictureReader& read_picture, const PictureReader& read_map,
                const DataOptions& load, Dataset& dataset, Problems& problems) {
  const ScannedFiles maps = scan_images(pairs.maps, read_map, load);
  DataOptions rest = load;
  if (maps.images) rest.cache_bytes -= maps.images->cached_bytes();
  const ScannedFiles pictures = scan_images(pairs.pictures, read_picture, rest);
  for (const ScannedFiles* scanned : {&pictures, &maps})
    problems.insert(problems.end(), scanned->problems.begin(), scanned->problems.end());
  LabelledPictures::Places places;
  for (std::size_t p = 0, m = 0; p < pictures.places.size() && m < maps.places.size();) {
    const std::int64_t picture = pictures.places[p], map = maps.places[m];
    const ImageShape &of_picture = pictures.shapes[p], &of_map = maps.shapes[m];
    if (picture == map) {
      if (of_picture.height == of_map.height && of_picture.width == of_map.width) {
        places.emplace_back(p, m);
      } else {
        problems.emplace_back(
            pairs.maps[static_cast<std::size_t>(map)].string(),
            "expected a label map of the size of its picture, " + to_string(of_picture) + ", got " + to_string(of_map));
      }
    }
    p += picture <= map ? 1 : 0;
    m += map <= picture ? 1 : 0;
  }
  if (load.image_size == 0 && pictures.images) expect_one_size(pictures, problems);
  if (places.empty()) return;
  dataset.labels = Tensor::zeros({static_cast<std::int64_t>(places.size())}, DType::i64);
  dataset.source = std::make_shared<LabelledPictures>(pictures.images, maps.images, std::move(places));
}

Dataset read_folder(const ReadRequest& request) {
  const std::int64_t channels = request.options.integer("channels", 3);
  expect(channels == 1 || channels == 3, "segmentation-folder", "1 or 3 channels", channels);
  const std::int64_t ignored = request.options.integer("ignore", 255);
  expect(ignored >= 0 && ignored <= 255, "segmentation-folder", "an ignore of 0 .. 255", ignored);
  const DataOptions& load = request.load;
  const fs::path root = split_folder(request.path, request.split);
  Dataset dataset;
  dataset.class_names = class_names(request);
  for (const char* folder : {"images", "labels"}) {
    if (is_folder(root / folder)) continue;
    request.problems.emplace_back((root / folder).string(),
                                  "missing; expected a folder of pictures images/NAME.jpg and "
                                  "one of their label maps labels/NAME.png");
    return dataset;
  }
  const std::size_t before = request.problems.size();
  Problems broken;
  Problems& of_files = load.skip_broken ? broken : request.problems;
  const Pairs pairs = list_pairs(root, dataset, of_files);
  const auto read_map = [=, classes = dataset.classes(), most = load.max_pixels](const fs::path& file) {
    return read_label_map(file, classes, ignored, most);
  };
  read_pairs(pairs, picture_reader(channels, load), read_map, load, dataset, of_files);
  leave_out(root, broken, dataset);
  if (!dataset.source && request.problems.size() == before) {
    request.problems.emplace_back(root.string(), "expected pictures in images/, found none that can be used" +
                                                     (dataset.notes.empty() ? "" : "; " + dataset.notes[0]));
  }
  return dataset;
}

bool holds_split(const fs::path& path, Split split) {
  if (split == Split::validation && !(is_folder(path / "val") && is_folder(path / "test"))) return false;
  const fs::path root = split_folder(path, split);
  return is_folder(root / "images") && is_folder(root / "labels");
}

}  // namespace

DatasetFormat segmentation_folder_format() {
  return {.help =
              "pictures train/images/*.jpg with their label maps train/labels/*.png, whose values (indices into a "
              "palette, or grey) are classes, and so in test/ or val/, or to be split (--val-split); the names of the "
              "classes in classes.txt or the option classes=sky/building/road; the option ignore=11 is the value of "
              "pixels without a class (255)",
          .recognises =
              [](const fs::path& path) { return holds_split(path, Split::train) || holds_split(path, Split::test); },
          .has = holds_split,
          .read = read_folder};
}

}  // namespace striate

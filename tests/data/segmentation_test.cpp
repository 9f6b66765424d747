// Pictures with a class for each pixel: files, transforms of picture and label map together, batches.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "data/dataset.h"
#include "data/image.h"
#include "data/label_maps.h"
#include "data/loader.h"
#include "data/splits.h"
#include "data/subset.h"
#include "data/verify.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;
using Bytes = std::vector<std::uint8_t>;

constexpr const char* kFormat = "segmentation-folder:classes=sky/road/car,ignore=11";

Tensor image_of(const Shape& shape, const Bytes& bytes) {
  Tensor image = Tensor::empty(shape, DType::u8);
  std::copy(bytes.begin(), bytes.end(), image.mutable_data<std::uint8_t>());
  return image;
}

std::string png(const Shape& shape, const Bytes& bytes, const Bytes& palette = {}) {
  const Bytes file = encode_png(image_of(shape, bytes), palette);
  return {file.begin(), file.end()};
}

/// A label map of 2x3 and a picture whose red is 10 times the class, written to a split.
void write_pair(const TempFolder& folder, const std::string& split, const std::string& name, const Bytes& labels) {
  Bytes pixels;
  for (const std::uint8_t label : labels) pixels.insert(pixels.end(), {static_cast<std::uint8_t>(10 * label), 0, 0});
  folder.write(split + "/images/" + name, png({2, 3, 3}, pixels));
  folder.write(split + "/labels/" + name, png({2, 3, 1}, labels));
}

std::vector<double> labels_of(const Dataset& dataset, const LoaderOptions& options) {
  Loader loader(dataset, options);
  loader.start_epoch(3);
  Batch batch;
  loader.next(batch);
  return batch.labels.to_vector();
}

TEST(LabelMaps, StoredValuesOfPngs) {
  const TempFolder folder;
  const Bytes values = {0, 1, 2, 3, 200, 11};
  const Bytes few = {0, 1, 3, 2, 1, 0};  // libpng packs four colours into two bits
  const auto grey = folder.write("grey.png", png({2, 3, 1}, values));
  EXPECT_EQ(read_indices(grey).to_vector(), std::vector<double>(values.begin(), values.end()));
  EXPECT_EQ(read_indices(grey).shape(), (Shape{2, 3, 1}));
  const Bytes palette = {9, 9, 9, 8, 8, 8, 255, 0, 0, 9, 9, 9};  // two of the same colour
  const auto indexed = folder.write("indexed.png", png({2, 3, 1}, few, palette));
  EXPECT_EQ(read_indices(indexed).to_vector(), std::vector<double>(few.begin(), few.end()));
  EXPECT_EQ(read_image(indexed).span<std::uint8_t>()[9], 255);
  const auto colours = folder.write("colours.png", png({1, 1, 3}, {1, 2, 3}));
  EXPECT_EQ(read_image(colours).to_vector(), (std::vector<double>{1, 2, 3}));
  expect_error<FileError>([&] { read_indices(colours); }, {"colours.png", "a palette or grey", "got colours"});
  expect_error<FileError>([&] { read_indices(folder.write("a.jpg", "\xff\xd8\xff")); }, {"a.jpg", "must be a PNG"});
  expect_error<FileError>(
      [&] {
        read_indices(folder.write("b.png", png({2, 3, 1}, values).substr(0, 60)));
      },
      {"b.png", "cannot be decoded"});
  expect_error<std::invalid_argument>([&] { encode_png(image_of({1, 1, 3}, {1, 2, 3}), palette); }, {"palette"});
  expect_error<std::invalid_argument>([&] { encode_png(image_of({1, 1, 2}, {1, 2})); }, {"(H,W,3)"});
}

TEST(LabelMaps, FolderOfPairs) {
  const TempFolder folder;
  write_pair(folder, "train", "a.png", {0, 1, 2, 11, 0, 0});
  write_pair(folder, "train", "b.png", {1, 1, 1, 1, 1, 11});
  write_pair(folder, "val", "c.png", {2, 2, 2, 0, 0, 1});
  folder.write("train/labels/notes.txt", "");
  EXPECT_EQ(find_dataset(folder.path()), "segmentation-folder");
  const Dataset train = load_dataset(folder.path(), Split::train, kFormat);
  EXPECT_TRUE(train.is_segmentation());
  EXPECT_EQ(train.class_names, (std::vector<std::string>{"sky", "road", "car"}));
  EXPECT_EQ(train.source->label_map(0).to_vector(), (std::vector<double>{1, 2, 3, 0, 1, 1}));
  EXPECT_EQ(class_counts(train), (std::vector<std::int64_t>{3, 6, 1}));
  ASSERT_EQ(train.notes.size(), 1);
  EXPECT_NE(train.notes[0].find("notes.txt"), std::string::npos);
  EXPECT_EQ(load_dataset(folder.path(), Split::test, kFormat).size(), 1);  // val/ stands for it
  EXPECT_FALSE(has_split(folder.path(), Split::validation, kFormat));
  EXPECT_EQ(labels_of(train, {.batch_size = 2, .shuffle = false}),
            (std::vector<double>{0, 1, 2, -100, 0, 0, 1, 1, 1, 1, 1, -100}));
  EXPECT_EQ(labels_of(images_at(train, {1}), {.batch_size = 2}), (std::vector<double>{1, 1, 1, 1, 1, -100}));
  Splits splits{.train = train};
  hold_out(splits, {.validation = 0.5});
  EXPECT_EQ(splits.validation.size(), 1);
  // A label map counts for the hash: pictures are the same here.
  const std::uint64_t before = train.source->hash(1);
  folder.write("train/labels/b.png", png({2, 3, 1}, {1, 1, 1, 1, 0, 11}));
  EXPECT_NE(load_dataset(folder.path(), Split::train, kFormat).source->hash(1), before);
  const DatasetReport report = verify_dataset(folder.path(), kFormat);
  EXPECT_EQ(report.train.class_counts, (std::vector<std::int64_t>{4, 5, 1}));
  EXPECT_TRUE(report.ok());
  folder.write("classes.txt", "sky\r\nroad\ncar\n");
  EXPECT_EQ(load_dataset(folder.path(), Split::train, "segmentation-folder:ignore=11").class_names, train.class_names);
}

TEST(LabelMaps, MistakesAreNamedTogether) {
  const TempFolder folder;
  write_pair(folder, "train", "good.png", {0, 1, 2, 11, 0, 0});
  write_pair(folder, "train", "class.png", {0, 1, 2, 11, 5, 0});
  write_pair(folder, "train", "size.png", {0, 1, 2, 11, 0, 0});
  folder.write("train/labels/size.png", png({3, 2, 1}, {0, 0, 0, 0, 0, 0}));
  folder.write("train/images/alone.png", png({2, 3, 3}, Bytes(18)));
  write_pair(folder, "train", "broken.png", {0, 1, 2, 11, 0, 0});
  folder.write("train/images/broken.png", "no picture");
  const auto load = [&](const std::string& format) { load_dataset(folder.path(), Split::train, format); };
  expect_error<FileError>(
      [&] { load(kFormat); },
      {"4 problems", "class.png: expected classes 0 .. 2, or 11 for none", "got 5 in row 1, column 1",
       "size.png: expected a label map of the size of its picture, 2x3x3, got 3x2x1",
       "alone.png: has no label map labels/alone.png", "broken.png: cannot be decoded"});
  const Dataset rest = load_dataset(folder.path(), Split::train, kFormat, {.skip_broken = true});
  EXPECT_EQ(rest.size(), 1);
  EXPECT_NE(image_name(rest, 0).find("good.png"), std::string::npos);
  expect_error<FileError>([&] { load("segmentation-folder"); },
                          {"classes.txt", "missing", "classes=sky/building/road"});
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::test, kFormat); }, {"test/images", "missing"});
  expect_error<std::invalid_argument>([&] { load("segmentation-folder:classes=a,ignore=300"); }, {"ignore", "300"});
  folder.write("other/train/images/a.txt", "");
  folder.write("other/train/labels/a.txt", "");
  expect_error<FileError>([&] { load_dataset(folder.path() / "other", Split::train, kFormat); },
                          {"expected pictures in images/", "a.txt"});
}

/// A label map as a source of one picture, of which the grey values are the map: where both go through transforms that
/// mix no pixels, they must stay equal.
class Same : public ImageSource {
 public:
  explicit Same(Tensor map) : map_(std::move(map)) {}
  [[nodiscard]] std::int64_t size() const override { return 1; }
  [[nodiscard]] ImageShape shape() const override { return {map_.size(0), map_.size(1), 1}; }
  [[nodiscard]] Tensor image(std::int64_t /*i*/) const override { return map_; }
  [[nodiscard]] bool has_label_maps() const override { return true; }
  [[nodiscard]] Tensor label_map(std::int64_t /*i*/) const override { return map_; }

 private:
  Tensor map_;
};

/// Of height x width, every pixel another class as far as there are any.
Dataset same(std::int64_t height, std::int64_t width) {
  Bytes bytes(static_cast<std::size_t>(height * width));
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return {.labels = Tensor::zeros({1}, DType::i64),
          .class_names = std::vector<std::string>(255, "class"),
          .normalization = {{0}, {1.0 / 255}},
          .source = std::make_shared<Same>(image_of({height, width, 1}, bytes))};
}

TEST(LabelMaps, MoveAsTheirPicturesDo) {
  for (const std::string transforms :
       {"center_crop:height=7,width=9", "center_crop:size=3", "random_crop:size=8,padding=5", "random_horizontal_flip",
        "random_vertical_flip", "random_crop:size=6,padding=2 random_horizontal_flip random_vertical_flip:p=0.5",
        "resize:height=18,width=30 random_crop:size=11"}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      std::istringstream words(transforms);
      LoaderOptions options{.seed = seed, .augment = {.crop_padding = 2, .flip = FlipMode::random}};
      for (std::string word; words >> word;) options.transforms.push_back(make_transform(word));
      Loader loader(same(6, 10), options);
      loader.start_epoch(1);
      Batch batch;
      ASSERT_TRUE(loader.next(batch));
      const auto pixels = batch.images.to_vector(), labels = batch.labels.to_vector();
      ASSERT_EQ(pixels.size(), labels.size());
      if (transforms[0] == 'r' && transforms[1] == 'e') continue;  // bilinear pixels, the nearest labels
      for (std::size_t i = 0; i < labels.size(); ++i)
        ASSERT_EQ(labels[i], pixels[i] < 0.5 ? kIgnoredLabel : std::round(pixels[i]) - 1) << transforms;
    }
  }
}

TEST(LabelMaps, AreResizedToTheNearest) {
  LoaderOptions options{.transforms = make_transforms({"resize:height=4,width=6"})};
  EXPECT_EQ(labels_of(same(2, 3), options),
            (std::vector<double>{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5}));
  options.transforms = make_transforms({"resize:height=1,width=2"});
  EXPECT_EQ(labels_of(same(3, 5), options), (std::vector<double>{6, 8}));
  // One box for both: what is cut is an even number of pixels of one value, doubled.
  options.transforms = make_transforms({"random_resized_crop:size=8,scale_min=0.3"});
  const auto labels = labels_of(same(6, 10), options);
  EXPECT_TRUE(std::all_of(labels.begin(), labels.end(), [](double label) { return label >= 0 && label < 60; }));
  EXPECT_TRUE(std::is_sorted(labels.begin(), labels.begin() + 8));
}

TEST(LabelMaps, OperationsThatMovePixelsMoveThem) {
  // Posterize, Solarize and their like change only the picture; the others both alike.
  int moved = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const LoaderOptions options{.seed = seed, .transforms = make_transforms({"trivial_augment_wide"})};
    Loader loader(same(6, 10), options);
    loader.start_epoch(0);
    Batch batch;
    ASSERT_TRUE(loader.next(batch));
    const auto pixels = batch.images.to_vector(), labels = batch.labels.to_vector();
    bool stays = true, alike = true;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      stays = stays && labels[i] == static_cast<double>(i);
      alike = alike && labels[i] == (pixels[i] < 0.5 ? kIgnoredLabel : std::round(pixels[i]) - 1);
    }
    EXPECT_TRUE(stays || alike) << seed;
    moved += stays ? 0 : 1;
  }
  EXPECT_GT(moved, 5);
  EXPECT_LT(moved, 35);
}

TEST(LabelMaps, CutoutLeavesThemAndMixingIsRefused) {
  const auto labels = labels_of(same(6, 10), {.augment = {.cutout = 4}});
  EXPECT_EQ(std::count(labels.begin(), labels.end(), -100), 0);
  expect_error<std::invalid_argument>([] { Loader(same(4, 4), {.mixup = 0.2}); }, {"label maps", "mixup"});
  expect_error<std::invalid_argument>([] { Loader(same(4, 4), {.cutmix = 1}); }, {"label maps", "cutmix"});
  expect_error<std::invalid_argument>([] { first_per_class(same(4, 4), 1); }, {"classes of pixels"});
}

/// Changes the size and says nothing of label maps.
struct Double : Transform {
  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return {2 * input.height, input.width, input.channels};
  }
  void apply(std::span<const std::uint8_t> image, const ImageShape& /*shape*/, std::span<std::uint8_t> out,
             RandomSequence& /*random*/) const override {
    std::copy(image.begin(), image.end(), out.begin());
  }
};

TEST(LabelMaps, ATransformThatForgetsThemIsTold) {
  expect_error<std::invalid_argument>([] { labels_of(same(4, 4), {.transforms = {std::make_shared<Double>()}}); },
                                      {"apply_to_labels"});
}

}  // namespace
}  // namespace striate

#include "data/dataset.h"

#include <gtest/gtest.h>

#include "data/subset.h"
#include "data/verify.h"
#include "tests/data/cifar_files.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;
using testing_support::write_cifar10;

TEST(Dataset, FindsCifar10HereAndInItsSubfolder) {
  TempFolder here;
  write_cifar10(here);
  EXPECT_EQ(find_dataset(here.path()), "cifar10");
  EXPECT_EQ(load_dataset(here.path(), Split::train).size(), 6);

  TempFolder above;
  write_cifar10(above, "cifar-10-batches-bin");
  EXPECT_EQ(find_dataset(above.path()), "cifar10");
  EXPECT_EQ(load_dataset(above.path(), Split::test).size(), 2);
}

TEST(Dataset, FindsImageFolders) {
  TempFolder folder;
  folder.write("train/a/1.ppm", "P6 1 1 255\nabc");
  EXPECT_EQ(find_dataset(folder.path()), "image-folder");
  EXPECT_EQ(load_dataset(folder.path(), Split::train).image_shape(), (ImageShape{1, 1, 3}));
}

TEST(Dataset, SaysWhatItLookedForAndHowToGetIt) {
  TempFolder folder;
  expect_error<FileError>([&] { find_dataset(folder.path()); },
                          {folder.path().string(), "data_batch_1.bin", "cifar-10-batches-bin", "train/<class>",
                           "striate generate --out DIR", "cifar-10-binary.tar.gz"});
  expect_error<FileError>([&] { find_dataset(folder.path() / "gone"); }, {"gone", "no such", "striate generate"});
  const auto file = folder.write("file", "x");
  expect_error<FileError>([&] { load_dataset(file, Split::train); }, {"file", "no data set found"});
}

/// Two images of 2x2 a split, without files; the option `bright` adds to every byte.
Dataset load_dots(const std::filesystem::path& /*path*/, Split split, const NamedOptions& options) {
  const auto bright = static_cast<std::uint8_t>(options.integer("bright", 0));
  const std::uint8_t first = split == Split::train ? bright : static_cast<std::uint8_t>(100 + bright);
  return {Tensor::from<std::uint8_t>({2, 2, 2, 1}, {first, 1, 2, 3, 4, 5, 6, 7}),
          Tensor::from<std::int64_t>({2}, {0, 1}),
          {"left", "right"},
          {{0.5}, {0.25}}};
}

TEST(Dataset, IsFoundByNameWithoutFiles) {
  register_dataset("dots", {.help = "two dots", .load = load_dots});
  EXPECT_EQ(dataset_names()[0], "dots");
  EXPECT_EQ(dataset_names()[1], "cifar10");
  const Dataset dots = load_dataset("", Split::test, "dots:bright=5");
  EXPECT_EQ(dots.images.to_vector()[0], 105);
  EXPECT_EQ(dots.image_shape(), (ImageShape{2, 2, 1}));
  EXPECT_EQ(dots.normalization, (Normalization{{0.5}, {0.25}}));
  EXPECT_TRUE(verify_dataset("", "dots").ok());
  expect_error<std::invalid_argument>([] { load_dataset("", Split::test, "dots:bight=5"); }, {"did you mean bright"});
  expect_error<std::invalid_argument>([] { load_dataset("", Split::test, "dot"); },
                                      {"unknown dataset 'dot'", "did you mean 'dots'"});
  expect_error<FileError>([] { load_dataset("", Split::test); }, {"no such data folder"});
  expect_error<std::invalid_argument>([] { register_dataset("dots", {.load = load_dots}); }, {"registered already"});
  expect_error<std::invalid_argument>([] { register_dataset("none", {}); }, {"[register_dataset]", "none"});
}

TEST(Dataset, LooksForTheFormatsOfUsersFirst) {
  TempFolder folder;
  folder.write("train/a/1.ppm", "P6 1 1 255\nabc");
  EXPECT_EQ(find_dataset(folder.path()), "image-folder");
  register_dataset("marked", {.help = "a file called mark",
                              .recognises = [](const auto& path) { return std::filesystem::exists(path / "mark"); },
                              .load = load_dots});
  EXPECT_EQ(find_dataset(folder.path()), "image-folder");
  folder.write("mark", "");
  EXPECT_EQ(find_dataset(folder.path()), "marked");
  EXPECT_EQ(load_dataset(folder.path(), Split::train).class_names[0], "left");
  TempFolder empty;
  expect_error<FileError>([&] { find_dataset(empty.path()); }, {"marked: a file called mark", "mnist: MNIST's"});
}

TEST(Dataset, ChecksWhatAFormatLoads) {
  static Dataset loaded;
  register_dataset("broken", {.load = [](const auto&, Split, const auto&) { return loaded; }});
  const auto load = [] { load_dataset("", Split::train, "broken"); };
  const Dataset good = load_dots("", Split::train, {});
  expect_error<std::invalid_argument>(load, {"[broken]", "undefined"});
  loaded = good;
  load();
  loaded.class_names = {"left"};
  expect_error<std::invalid_argument>(load, {"[broken]", "labels 0 .. 0", "got 1"});
  loaded = good;
  loaded.labels = Tensor::from<std::int64_t>({2}, {0, -1});
  expect_error<std::invalid_argument>(load, {"got -1"});
  loaded.labels = Tensor::zeros({3}, DType::i64);
  expect_error<ShapeError>(load, {"(2,2,2,1)", "(3)"});
  loaded = good;
  loaded.images = Tensor::zeros({2, 2, 2, 1});
  expect_error<std::invalid_argument>(load, {"u8", "f32"});
  loaded = good;
  loaded.normalization = {{0.1, 0.2, 0.3}, {1, 1, 1}};
  expect_error<std::invalid_argument>(load, {"1 channels", "3 and 3"});
}

TEST(Dataset, BringsTheImagesOfAnyFormatToASize) {
  TempFolder folder;
  write_cifar10(folder);
  const Dataset all = load_dataset(folder.path(), Split::train);
  const Dataset small = load_dataset(folder.path(), Split::train, "cifar10", {.image_size = 20});
  EXPECT_EQ(small.image_shape(), (ImageShape{20, 20, 3}));
  Dataset last = images_at(all, {5});
  last.transforms = make_transforms({"resize:size=20"});
  EXPECT_EQ(transformed_images(small, {5}).to_vector(), transformed_images(last, {0}).to_vector());
  register_dataset("sized", {.load = load_dots});
  EXPECT_EQ(load_dataset("", Split::train, "sized", {.image_size = 3}).image_shape(), (ImageShape{3, 3, 1}));
}

TEST(Dataset, NamesAllFilesThatAreBroken) {
  TempFolder folder;
  write_cifar10(folder);
  folder.write("data_batch_2.bin", "short");
  folder.write("data_batch_4.bin", "");
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train); },
                          {"2 problems", "data_batch_2.bin", "5 bytes", "data_batch_4.bin", "empty"});
}

}  // namespace
}  // namespace striate

#include <gtest/gtest.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

#include <numeric>

#include "core/parallel.h"
#include "data/dataset.h"
#include "data/image.h"
#include "data/splits.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;

/// A picture of one colour in the format of the name's extension.
std::string picture(const std::string& extension, int width, int height, const std::vector<std::uint8_t>& pixel) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < width * height; ++i) pixels.insert(pixels.end(), pixel.begin(), pixel.end());
  std::string bytes;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  const int channels = static_cast<int>(pixel.size());
  if (extension == ".png") {
    stbi_write_png_to_func(append, &bytes, width, height, channels, pixels.data(), width * channels);
  } else if (extension == ".bmp") {
    stbi_write_bmp_to_func(append, &bytes, width, height, channels, pixels.data());
  } else {
    stbi_write_jpg_to_func(append, &bytes, width, height, channels, pixels.data(), 100);
  }
  return bytes;
}

/// All of a data set's images.
Tensor pixels_of(const Dataset& dataset) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(dataset.size()));
  std::iota(places.begin(), places.end(), 0);
  return transformed_images(dataset, places);
}

std::vector<double> first_pixel(const Tensor& image) {
  const auto values = image.span<std::uint8_t>();
  return {static_cast<double>(values[0]), static_cast<double>(values[1]), static_cast<double>(values[2])};
}

TEST(Image, DecodesToThreeChannels) {
  TempFolder folder;
  const auto colour = read_image(folder.write("a.png", picture(".png", 5, 3, {10, 20, 30})));
  EXPECT_EQ(colour.shape(), (Shape{3, 5, 3}));
  EXPECT_EQ(first_pixel(colour), (std::vector<double>{10, 20, 30}));
  const auto grey = read_image(folder.write("b.png", picture(".png", 5, 3, {40})));
  EXPECT_EQ(first_pixel(grey), (std::vector<double>{40, 40, 40}));
  const auto alpha = read_image(folder.write("c.png", picture(".png", 5, 3, {1, 2, 3, 0})));
  EXPECT_EQ(first_pixel(alpha), (std::vector<double>{255, 255, 255}));
  EXPECT_TRUE(is_image_file("x.JPG"));
  for (const char* name : {"x.txt", "x.tga", "x.webp", "x"}) EXPECT_FALSE(is_image_file(name)) << name;
}

TEST(Image, DecodesToOneChannel) {
  TempFolder folder;
  const auto file = folder.write("a.png", picture(".png", 5, 3, {10, 200, 30}));
  const auto grey = read_image(file, 1);
  EXPECT_EQ(grey.shape(), (Shape{3, 5, 1}));
  EXPECT_EQ(grey.to_vector(), std::vector<double>(15, 124));  // Pillow's convert("L")
  const auto stored = read_image(folder.write("b.png", picture(".png", 5, 3, {40})), 1);
  EXPECT_EQ(stored.to_vector(), std::vector<double>(15, 40));
  expect_error<std::invalid_argument>([&] { read_image(file, 2); }, {"1 or 3 channels", "got 2"});
}

TEST(Image, SaysWhyItCannotBeDecoded) {
  TempFolder folder;
  expect_error<FileError>([&] { read_image(folder.write("bad.png", "no picture")); },
                          {"bad.png", "cannot be decoded", "none of JPEG, PNG"});
  expect_error<FileError>([&] { read_image(folder.write("none.png", "")); }, {"none.png", "empty"});
  expect_error<FileError>([&] { read_image(folder.path() / "gone.png"); }, {"gone.png"});
  const std::string whole = picture(".png", 32, 32, {1, 2, 3});
  expect_error<FileError>([&] { read_image(folder.write("cut.png", whole.substr(0, whole.size() / 2))); },
                          {"cut.png", "cannot be decoded"});
}

TEST(ImageFolder, SortsClassesAndFilesByName) {
  TempFolder folder;
  folder.write("train/zebra/1.jpg", picture(".jpg", 4, 4, {200, 200, 200}));
  folder.write("train/ant/b.bmp", picture(".bmp", 4, 4, {2, 2, 2}));
  folder.write("train/ant/a.png", picture(".png", 4, 4, {1, 1, 1}));
  folder.write("train/ant/notes.txt", "passed over");
  folder.write("train/readme.txt", "passed over");
  folder.write("test/zebra/1.PNG", picture(".png", 4, 4, {9, 9, 9}));
  const Dataset train = load_dataset(folder.path(), Split::train, "image-folder");
  EXPECT_EQ(train.class_names, (std::vector<std::string>{"ant", "zebra"}));
  EXPECT_EQ(pixels_of(train).shape(), (Shape{3, 4, 4, 3}));
  EXPECT_EQ(train.labels.to_vector(), (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(pixels_of(train).span<std::uint8_t>()[0], 1);
  EXPECT_EQ(pixels_of(train).span<std::uint8_t>()[48], 2);
  EXPECT_NEAR(pixels_of(train).span<std::uint8_t>()[96], 200, 2);
  // The labels of test/ are those of train/, though it lacks a class.
  EXPECT_EQ(load_dataset(folder.path(), Split::test, "image-folder").labels.to_vector(), (std::vector<double>{1}));
}

TEST(ImageFolder, ReadsGreyOnRequest) {
  TempFolder folder;
  folder.write("train/a/1.png", picture(".png", 4, 4, {255, 0, 0}));
  const Dataset grey = load_dataset(folder.path(), Split::train, "image-folder:channels=1");
  EXPECT_EQ(pixels_of(grey).shape(), (Shape{1, 4, 4, 1}));
  EXPECT_EQ(pixels_of(grey).to_vector(), std::vector<double>(16, 76));
  expect_error<std::invalid_argument>([&] { load_dataset(folder.path(), Split::train, "image-folder:channels=2"); },
                                      {"1 or 3 channels", "got 2"});
}

TEST(ImageFolder, NamesWhatIsWrong) {
  TempFolder folder;
  const auto load = [&] { load_dataset(folder.path(), Split::train, "image-folder"); };
  std::filesystem::create_directories(folder.path() / "train");
  expect_error<FileError>(load, {"train", "a subfolder for each class"});
  std::filesystem::create_directories(folder.path() / "train/a");
  expect_error<FileError>(load, {"train", "found none"});
  folder.write("train/a/1.png", picture(".png", 4, 4, {1, 1, 1}));
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::test, "image-folder"); }, {"test", "missing"});
  folder.write("test/b/1.png", picture(".png", 4, 4, {1, 1, 1}));
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::test, "image-folder"); },
                          {"test/b", "no class of this name"});
  folder.write("train/a/2.png", picture(".png", 5, 4, {1, 1, 1}));
  expect_error<FileError>(load, {"2.png", "4x4x3", "1.png", "4x5x3", "--image-size"});
  folder.write("train/a/2.png", "broken");
  expect_error<FileError>(load, {"2.png", "cannot be decoded"});
}

TEST(ImageFolder, BringsImagesToOneSize) {
  TempFolder folder;
  const auto a = folder.write("train/a/1.png", picture(".png", 4, 4, {10, 20, 30}));
  const auto b = folder.write("train/a/2.PNG", picture(".png", 9, 5, {40, 50, 60}));
  const Dataset both = load_dataset(folder.path(), Split::train, "", {.image_size = 3});
  EXPECT_EQ(both.stored_shape(), (ImageShape{0, 0, 3}));
  EXPECT_EQ(both.image_shape(), (ImageShape{3, 3, 3}));
  EXPECT_EQ(descriptions(both.transforms), (std::vector<std::string>{"resize:size=3", "center_crop:size=3"}));
  const std::vector<double> pixels = pixels_of(both).to_vector();
  EXPECT_EQ(std::vector<double>(pixels.begin() + 27, pixels.begin() + 30), (std::vector<double>{40, 50, 60}));
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train, "", {.image_size = 3, .max_pixels = 40}); },
                          {"2.PNG", "9x5 pixels", "--max-pixels"});
  expect_error<std::invalid_argument>([&] { load_dataset(folder.path(), Split::train, "", {.image_size = -1}); },
                                      {"image size", "-1"});
}

TEST(ImageFolder, SaysWhatItPassesOver) {
  TempFolder folder;
  folder.write("train/a/1.png", picture(".png", 4, 4, {1, 1, 1}));
  folder.write("train/a/2.JPG", picture(".jpg", 4, 4, {1, 1, 1}));
  folder.write("train/a/.DS_Store", "");
  folder.write("train/a/Thumbs.db", "");
  folder.write("train/.hidden/1.png", "");
  const auto note = [&](Split split = Split::train) {
    const std::vector<std::string> notes = load_dataset(folder.path(), split).notes;
    return notes.size() == 1 ? notes[0] : "expected one note, got " + std::to_string(notes.size());
  };
  EXPECT_NE(note().find("2 files are passed over, such as"), std::string::npos) << note();
  EXPECT_NE(note().find(".DS_Store"), std::string::npos) << note();
  folder.write("train/desktop.ini", "");
  folder.write("train/a/3.webp", "");
  folder.write("train/a/4", "");
  folder.write("train/a/more/5.txt", "");
  folder.write("train/6.png", "");
  const Dataset train = load_dataset(folder.path(), Split::train);
  EXPECT_EQ(train.size(), 2);
  EXPECT_NE(note().find("7 files are passed over, such as"), std::string::npos) << note();
  EXPECT_NE(note().find("6.png"), std::string::npos) << note();
  folder.write("test/a/1.tif", "");
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::test); }, {"found none", "1.tif", "what is read"});
}

TEST(ImageFolder, ReadsWhatLiesDeeperAndLinksToOtherPlaces) {
  TempFolder folder;
  folder.write("train/a/2/deep/1.png", picture(".png", 4, 4, {2, 2, 2}));
  folder.write("train/a/1.png", picture(".png", 4, 4, {1, 1, 1}));
  folder.write("elsewhere/3.png", picture(".png", 4, 4, {3, 3, 3}));
  std::filesystem::create_directory_symlink("../../elsewhere", folder.path() / "train/a/3");
  const Dataset train = load_dataset(folder.path(), Split::train);
  ASSERT_EQ(train.size(), 3);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(stored_picture(train, i).bytes[0], i + 1);
  EXPECT_TRUE(train.source->name(1).ends_with("train/a/2/deep/1.png"));
  std::filesystem::create_directory_symlink("../..", folder.path() / "train/a/2/around");
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train); }, {"2/around", "a folder that it lies in"});
  EXPECT_EQ(load_dataset(folder.path(), Split::train, "", {.skip_broken = true}).size(), 3);
}

TEST(ImageFolder, RefusesWhatIsTooNarrowToBeResized) {
  TempFolder folder;
  folder.write("train/a/1.png", picture(".png", 3000, 1, {1, 1, 1}));
  folder.write("train/a/2.png", picture(".png", 4, 4, {1, 1, 1}));
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train, "", {.image_size = 32}); },
                          {"1.png", "too narrow", "3000x1"});
}

TEST(ImageFolder, LeavesOutWhatIsBrokenOnRequest) {
  TempFolder folder;
  folder.write("train/a/1.png", picture(".png", 4, 4, {1, 1, 1}));
  folder.write("train/a/2.png", "broken");
  folder.write("train/b/3.jpg", "broken");
  folder.write("train/b/4.png", picture(".png", 4, 4, {4, 4, 4}));
  const Dataset train = load_dataset(folder.path(), Split::train, "", {.skip_broken = true});
  EXPECT_EQ(train.labels.to_vector(), (std::vector<double>{0, 1}));
  EXPECT_EQ(stored_picture(train, 1).bytes[0], 4);
  ASSERT_EQ(train.notes.size(), 1U);
  for (const char* part : {"2 broken files are left out", "2.png", "3.jpg"}) {
    EXPECT_NE(train.notes[0].find(part), std::string::npos) << train.notes[0];
  }
}

TEST(ImageFolder, KnowsItsSplitsByTheirFolders) {
  TempFolder folder;
  folder.write("cat/1.png", picture(".png", 4, 4, {1, 1, 1}));
  folder.write("cat/2.png", picture(".png", 4, 4, {2, 2, 2}));
  folder.write("dog/3.png", picture(".png", 4, 4, {3, 3, 3}));
  folder.write("dog/4.png", picture(".png", 4, 4, {4, 4, 4}));
  const auto has = [&](Split split) { return has_split(folder.path(), split); };
  EXPECT_TRUE(has(Split::train));
  EXPECT_FALSE(has(Split::test));
  expect_error<FileError>([&] { load_splits(folder.path()); }, {"test/ or val/", "--val-split"});
  const Splits held = load_splits(folder.path(), "", {}, {.validation = 0.5});
  EXPECT_EQ(held.train.labels.to_vector(), (std::vector<double>{0, 1}));
  EXPECT_EQ(held.validation.labels.to_vector(), (std::vector<double>{0, 1}));
  EXPECT_FALSE(held.test.labels.defined());

  TempFolder three;
  for (const std::string split : {"train", "val", "test"}) {
    three.write(split + "/a/1.png", picture(".png", 4, 4, {static_cast<std::uint8_t>(split.size()), 0, 0}));
  }
  const Splits all = load_splits(three.path());
  EXPECT_EQ(stored_picture(all.validation, 0).bytes[0], 3);
  EXPECT_EQ(stored_picture(all.test, 0).bytes[0], 4);
  expect_error<std::invalid_argument>([&] { load_splits(three.path(), "", {}, {.validation = 0.5}); }, {"beside val/"});
  std::filesystem::remove_all(three.path() / "test");
  EXPECT_FALSE(load_splits(three.path()).validation.labels.defined());
  EXPECT_EQ(stored_picture(load_splits(three.path()).test, 0).bytes[0], 3);
}

TEST(ImageFolder, ASmallCacheChangesNothing) {
  TempFolder folder;
  for (int i = 0; i < 5; ++i) {
    folder.write("train/a/" + std::to_string(i) + ".png", picture(".png", 8, 8, {static_cast<std::uint8_t>(i), 0, 0}));
  }
  const Dataset all = load_dataset(folder.path(), Split::train);
  EXPECT_EQ(all.source->cached_bytes(), 5 * 192);
  const Dataset two = load_dataset(folder.path(), Split::train, "", {.cache_bytes = 400});
  EXPECT_EQ(two.source->cached_bytes(), 2 * 192);
  EXPECT_EQ(pixels_of(two).to_vector(), pixels_of(all).to_vector());
  for (int i = 0; i < 5; ++i) {
    folder.write("train/a/" + std::to_string(i) + ".png", picture(".png", 8, 8, {77, 0, 0}));
  }
  expect_error<FileError>([&] { pixels_of(two); }, {".png", "another picture than at the start"});
}

TEST(ImageFolder, TellsHowFarItIs) {
  TempFolder folder;
  for (int i = 0; i < 20; ++i) {
    folder.write("train/a/" + std::to_string(i) + ".png", picture(".png", 4, 4, {1, 1, 1}));
  }
  folder.write("train/a/20.png", "broken");
  std::vector<std::string> lines;
  const DataOptions load{.skip_broken = true, .progress = [&](const std::string& line) { lines.push_back(line); }};
  const Dataset train = load_dataset(folder.path(), Split::train, "", load);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "read 21 of 21 pictures");
  measured_normalization(train, load);
  EXPECT_EQ(lines.back(), "measured mean and deviation of 20 of 20 pictures");
}

TEST(ImageFolder, NamesAllThatIsBroken) {
  TempFolder folder;
  folder.write("train/a/good.png", picture(".png", 4, 4, {1, 1, 1}));
  for (const char* name : {"01", "02", "03", "04", "05", "06", "07", "08", "09", "10"}) {
    folder.write(std::string("train/a/") + name + ".png", "broken");
  }
  std::filesystem::create_directories(folder.path() / "train/b");
  std::filesystem::create_symlink("loop.png", folder.path() / "train/b/loop.png");
  std::filesystem::create_symlink("nowhere", folder.path() / "train/b/gone.png");
  const auto load = [&] { load_dataset(folder.path(), Split::train); };
  expect_error<FileError>(
      load, {"12 problems", "loop.png: cannot be followed", "gone.png", "01.png", "08.png: cannot be", "and 2 more"});
  std::filesystem::remove_all(folder.path() / "train/a");
  expect_error<FileError>(load, {"2 problems", "loop.png", "gone.png"});
}

TEST(ImageFolder, WantsClassNamesOfUtf8) {
  TempFolder folder;
  folder.write("train/caf\xe9/1.png", picture(".png", 4, 4, {1, 1, 1}));
  folder.write("train/th\xc3\xa9/1.png", picture(".png", 4, 4, {1, 1, 1}));
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train); }, {"caf\\xe9", "not UTF-8", "rename"});
}

TEST(ImageFolder, DecodesTheSameWithAnyNumberOfThreads) {
  TempFolder folder;
  for (int i = 0; i < 70; ++i) {
    const auto shade = static_cast<std::uint8_t>(3 * i);
    folder.write("train/" + std::to_string(i % 3) + "/" + std::to_string(i) + ".png",
                 picture(".png", 8, 6, {shade, 7, 9}));
  }
  const int before = num_threads();
  set_num_threads(1);
  const Dataset one = load_dataset(folder.path(), Split::train, "image-folder");
  set_num_threads(3);
  const Dataset three = load_dataset(folder.path(), Split::train, "image-folder");
  set_num_threads(before);
  EXPECT_EQ(pixels_of(one).to_vector(), pixels_of(three).to_vector());
  EXPECT_EQ(one.labels.to_vector(), three.labels.to_vector());
}

}  // namespace
}  // namespace striate

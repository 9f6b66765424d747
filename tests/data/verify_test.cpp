#include "data/verify.h"

#include <gtest/gtest.h>

#include "tests/data/cifar_files.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::cifar10_record;
using testing_support::TempFolder;
using testing_support::write_cifar10;

bool mentions(const std::vector<std::string>& problems, const std::string& a, const std::string& b) {
  for (const std::string& problem : problems) {
    if (problem.find(a) != std::string::npos && problem.find(b) != std::string::npos) return true;
  }
  return false;
}

TEST(Verify, CountsAGoodCifar10Folder) {
  TempFolder folder;
  std::string all;
  for (int label = 0; label < 10; ++label) all += cifar10_record(label, label);
  for (int file = 1; file <= 5; ++file) folder.write("data_batch_" + std::to_string(file) + ".bin", all);
  folder.write("test_batch.bin", all);
  const DatasetReport report = verify_dataset(folder.path());
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.train.images, 50);
  EXPECT_EQ(report.train.class_counts, std::vector<std::int64_t>(10, 5));
  EXPECT_EQ(report.test.class_counts, std::vector<std::int64_t>(10, 1));
  EXPECT_EQ(report.test.image_shape, (ImageShape{32, 32, 3}));
  EXPECT_EQ(report.class_names[0], "airplane");
}

TEST(Verify, ListsEveryProblemOfCifar10Files) {
  TempFolder folder;
  write_cifar10(folder);
  folder.write("data_batch_2.bin", "short");
  folder.write("data_batch_4.bin", cifar10_record(0, 77));
  std::filesystem::remove(folder.path() / "test_batch.bin");
  folder.write("batches.meta.txt", "one name\n");
  const DatasetReport report = verify_dataset(folder.path());
  EXPECT_TRUE(mentions(report.problems, "data_batch_2.bin", "5 bytes"));
  EXPECT_TRUE(mentions(report.problems, "data_batch_4.bin", "label 77"));
  EXPECT_TRUE(mentions(report.problems, "test_batch.bin", "missing"));
  EXPECT_TRUE(mentions(report.problems, "batches.meta.txt", "got 1"));
  EXPECT_TRUE(mentions(report.problems, "no image of class 9", "train"));
  EXPECT_EQ(report.train.images, 4);
  EXPECT_EQ(report.test.images, 0);
}

TEST(Verify, ListsEveryProblemOfAnImageFolder) {
  TempFolder folder;
  folder.write("train/a/1.ppm", "P6 1 1 255\nabc");
  folder.write("train/a/2.ppm", "P6 2 1 255\nabcdef");
  folder.write("train/b/3.ppm", "broken");
  folder.write("train/b/4.jpg", "broken too");
  folder.write("test/a/1.ppm", "P6 1 2 255\nabcdef");
  const DatasetReport report = verify_dataset(folder.path());
  EXPECT_EQ(report.format, "image-folder");
  EXPECT_TRUE(mentions(report.problems, "2.ppm", "1x2x3"));
  EXPECT_TRUE(mentions(report.problems, "3.ppm", "cannot be decoded"));
  EXPECT_TRUE(mentions(report.problems, "4.jpg", "cannot be decoded"));
  EXPECT_TRUE(mentions(report.problems, "no image of class 1 (b)", "train"));
  EXPECT_EQ(report.train.class_counts, (std::vector<std::int64_t>{2, 0}));
  std::filesystem::remove(folder.path() / "train/a/2.ppm");
  EXPECT_TRUE(mentions(verify_dataset(folder.path()).problems, "images of train are 1x1x3", "of test 2x1x3"));
}

TEST(Verify, BringsImagesToOneSizeAndTellsWhatItPassesOver) {
  TempFolder folder;
  folder.write("train/a/1.ppm", "P6 1 1 255\nabc");
  folder.write("train/a/2.pgm", "P5 2 1 255\nab");
  folder.write("train/a/3.webp", "");
  folder.write("test/a/1.ppm", "P6 1 2 255\nabcdef");
  const DatasetReport report = verify_dataset(folder.path(), "", {.image_size = 4});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.train.images, 2);
  EXPECT_EQ(report.test.image_shape, (ImageShape{4, 4, 3}));
  ASSERT_EQ(report.notes.size(), 1U);
  EXPECT_TRUE(mentions(report.notes, "1 file is passed over", "3.webp"));
  EXPECT_TRUE(mentions(verify_dataset(folder.path()).problems, "2.pgm", "--image-size"));
}

TEST(Verify, NamesLabelsThatAFormatOfTheUsersHasNoClassFor) {
  register_dataset(
      "wrong-labels", {.load = [](const auto&, Split, const auto&) {
        return Dataset{Tensor::zeros({2, 1, 1, 1}, DType::u8), Tensor::from<std::int64_t>({2}, {0, 7}), {"only"}};
      }});
  const DatasetReport report = verify_dataset("", "wrong-labels");
  EXPECT_TRUE(mentions(report.problems, "labels 0 .. 0", "got 7"));
  EXPECT_EQ(report.train.images, 0);
}

TEST(Verify, ListsClassNamesThatAreNotUtf8) {
  TempFolder folder;
  folder.write("train/caf\xe9/1.ppm", "P6 1 1 255\nabc");
  folder.write("test/caf\xe9/1.ppm", "P6 1 1 255\nabc");
  EXPECT_TRUE(mentions(verify_dataset(folder.path()).problems, "caf\\xe9", "not UTF-8"));
}

TEST(Verify, ThrowsWhereThereIsNoData) {
  TempFolder folder;
  testing_support::expect_error<FileError>([&] { verify_dataset(folder.path()); }, {"no data set found"});
}

}  // namespace
}  // namespace striate

#include "data/cifar.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "tests/data/cifar_files.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::cifar10_record;
using testing_support::expect_error;
using testing_support::TempFolder;
using testing_support::test_byte;
using testing_support::write_cifar10;

TEST(Cifar10, ReadsPlanesAsChannelsLastInTheFilesOrder) {
  TempFolder folder;
  write_cifar10(folder);
  const Dataset train = load_dataset(folder.path(), Split::train, "cifar10");
  ASSERT_EQ(train.images.shape(), (Shape{6, 32, 32, 3}));
  EXPECT_EQ(train.labels.to_vector(), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  const auto* value = train.images.data<std::uint8_t>();
  for (int record = 0; record < 6; ++record) {
    for (std::int64_t y = 0; y < 32; ++y) {
      for (std::int64_t x = 0; x < 32; ++x) {
        for (std::int64_t c = 0; c < 3; ++c) ASSERT_EQ(*value++, test_byte(record, y, x, c));
      }
    }
  }
  EXPECT_EQ(load_dataset(folder.path(), Split::test, "cifar10").labels.to_vector(), (std::vector<double>{6, 7}));
}

TEST(Cifar10, TakesNamesFromTheFolderOrItsOwn) {
  TempFolder folder;
  write_cifar10(folder);
  const auto names = [&] { return load_dataset(folder.path(), Split::test, "cifar10").class_names; };
  EXPECT_EQ(names()[9], "truck");
  folder.write("batches.meta.txt", "a\nb\nc\nd\ne\r\nf\ng\nh\ni\nlast one\n\n");
  EXPECT_EQ(names()[4], "e");
  EXPECT_EQ(names()[9], "last one");
  folder.write("batches.meta.txt", "a\nb\n");
  expect_error<FileError>(names, {"batches.meta.txt", "expected 10 class names", "got 2"});
  folder.write("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\ncaf\xe9\n");
  expect_error<FileError>(names, {"caf\\xe9", "not UTF-8"});
}

TEST(Cifar10, WritesWhatItReads) {
  TempFolder folder;
  write_cifar10(folder);
  const Dataset test = load_dataset(folder.path(), Split::test, "cifar10");
  write_cifar10_file(folder.path() / "copy.bin", test, 0, 2);
  EXPECT_EQ(read_bytes(folder.path() / "copy.bin"), read_bytes(folder.path() / "test_batch.bin"));
  write_cifar10_file(folder.path() / "test_batch.bin", test, 1, 2);
  EXPECT_EQ(load_dataset(folder.path(), Split::test, "cifar10").labels.to_vector(), (std::vector<double>{7}));
  expect_error<std::invalid_argument>([&] { write_cifar10_file(folder.path() / "x", test, 1, 3); }, {"1 .. 3"});
  const Dataset other{Tensor::zeros({1, 16, 64, 3}, DType::u8), Tensor::zeros({1}, DType::i64), {}};
  expect_error<ShapeError>([&] { write_cifar10_file(folder.path() / "x", other, 0, 1); }, {"(1,16,64,3)"});
}

TEST(Cifar10, NamesWhatIsWrongWithAFile) {
  TempFolder folder;
  write_cifar10(folder);
  const auto load = [&] { load_dataset(folder.path(), Split::train, "cifar10"); };

  folder.write("data_batch_3.bin", cifar10_record(0, 0).substr(0, 3072));
  expect_error<FileError>(load, {"data_batch_3.bin", "whole number of records of 3073 bytes", "3072 bytes"});
  folder.write("data_batch_3.bin", cifar10_record(0, 0) + "x");
  expect_error<FileError>(load, {"data_batch_3.bin", "3074 bytes", "1 records and 1 bytes more"});
  folder.write("data_batch_3.bin", "");
  expect_error<FileError>(load, {"data_batch_3.bin", "empty"});
  folder.write("data_batch_3.bin", cifar10_record(0, 3) + cifar10_record(0, 10));
  expect_error<FileError>(load, {"data_batch_3.bin", "record 1", "label 10", "0 .. 9"});
  folder.write("data_batch_3.bin", cifar10_record(0, 255));
  expect_error<FileError>(load, {"record 0", "label 255"});
  std::filesystem::remove(folder.path() / "data_batch_3.bin");
  expect_error<FileError>(load, {"data_batch_3.bin", "missing"});
  std::filesystem::create_directory(folder.path() / "data_batch_3.bin");
  expect_error<FileError>(load, {"data_batch_3.bin"});
  EXPECT_EQ(load_dataset(folder.path(), Split::test, "cifar10").size(), 2);
}

std::string names(int count, const std::string& start) {
  std::string text;
  for (int i = 0; i < count; ++i) text += start + std::to_string(i) + "\n";
  return text;
}

/// Record r has coarse label r and fine label 10 + r.
std::string cifar100_record(int record) {
  return std::string(1, static_cast<char>(record)) + cifar10_record(record, 10 + record);
}

void write_cifar100(const TempFolder& folder, const std::string& subfolder = ".") {
  folder.write(subfolder + "/train.bin", cifar100_record(0) + cifar100_record(1) + cifar100_record(2));
  folder.write(subfolder + "/test.bin", cifar100_record(3));
  folder.write(subfolder + "/fine_label_names.txt", names(100, "fine "));
  folder.write(subfolder + "/coarse_label_names.txt", names(20, "coarse "));
}

TEST(Cifar100, ReadsFineAndCoarseLabels) {
  TempFolder folder;
  write_cifar100(folder, "cifar-100-binary");
  const Dataset fine = load_dataset(folder.path(), Split::train);
  ASSERT_EQ(fine.images.shape(), (Shape{3, 32, 32, 3}));
  EXPECT_EQ(fine.images.span<std::uint8_t>()[3 * 3072 - 1], test_byte(2, 31, 31, 2));
  EXPECT_EQ(fine.labels.to_vector(), (std::vector<double>{10, 11, 12}));
  EXPECT_EQ(fine.class_names.size(), 100U);
  EXPECT_EQ(fine.class_names[99], "fine 99");
  EXPECT_EQ(fine.normalization.mean, (std::vector<double>{0.5071, 0.4865, 0.4409}));
  const Dataset coarse = load_dataset(folder.path(), Split::test, "cifar100:coarse=true");
  EXPECT_EQ(coarse.labels.to_vector(), (std::vector<double>{3}));
  EXPECT_EQ(coarse.class_names.size(), 20U);
  EXPECT_EQ(coarse.images.span<std::uint8_t>()[0], test_byte(3, 0, 0, 0));
  expect_error<std::invalid_argument>([&] { load_dataset(folder.path(), Split::test, "cifar100:corse=true"); },
                                      {"no option corse", "did you mean coarse"});
}

TEST(Cifar100, NamesWhatIsWrongWithAFile) {
  TempFolder folder;
  write_cifar100(folder);
  const auto load = [&] { load_dataset(folder.path(), Split::train, "cifar100:coarse=true"); };
  folder.write("train.bin", cifar10_record(0, 0));
  expect_error<FileError>(load, {"train.bin", "records of 3074 bytes", "3073 bytes"});
  folder.write("train.bin", cifar100_record(19) + cifar100_record(20));
  expect_error<FileError>(load, {"train.bin", "record 1", "label 20", "0 .. 19"});
  EXPECT_EQ(load_dataset(folder.path(), Split::train, "cifar100").size(), 2);
  folder.write("coarse_label_names.txt", "one\n");
  expect_error<FileError>(load, {"coarse_label_names.txt", "expected 20 class names", "got 1"});
  std::filesystem::remove(folder.path() / "coarse_label_names.txt");
  expect_error<FileError>(load, {"coarse_label_names.txt"});
  std::filesystem::remove(folder.path() / "test.bin");
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::test); }, {"test.bin", "missing", "CIFAR-100"});
}

}  // namespace
}  // namespace striate

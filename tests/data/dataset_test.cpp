#include "data/dataset.h"

#include <gtest/gtest.h>

#include "data/subset.h"
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
  EXPECT_EQ(load_dataset(folder.path(), Split::train).images.shape(), (Shape{1, 1, 1, 3}));
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

TEST(Dataset, TakesTheFirstImages) {
  TempFolder folder;
  write_cifar10(folder);
  const Dataset all = load_dataset(folder.path(), Split::train);
  const Dataset some = first_images(all, 2);
  EXPECT_EQ(some.images.shape(), (Shape{2, 32, 32, 3}));
  EXPECT_EQ(some.labels.to_vector(), (std::vector<double>{0, 1}));
  EXPECT_EQ(some.images.span<std::uint8_t>()[3072], all.images.span<std::uint8_t>()[3072]);
  EXPECT_EQ(some.classes(), 10);
  EXPECT_EQ(first_images(all, 100).size(), 6);
  expect_error<std::invalid_argument>([&] { first_images(all, 0); }, {"at least 1, got 0"});
}

}  // namespace
}  // namespace striate

#include "data/dataset.h"

#include <algorithm>
#include <cstring>

#include "data/cifar10.h"
#include "data/image_folder.h"

namespace striate {

namespace fs = std::filesystem;

std::string to_string(Split split) { return split == Split::train ? "train" : "test"; }

namespace {

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

constexpr const char* kHowToGetData =
    "To draw a data set: striate generate --out DIR. To get CIFAR-10: "
    "curl -LO https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz && tar -xzf cifar-10-binary.tar.gz";

}  // namespace

DataFolder find_data(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw FileError(path.string(), std::string("no such data folder. ") + kHowToGetData);
  }
  if (!is_folder(path)) throw FileError(path.string(), "expected a data folder, found a file");
  if (has_cifar10_files(path)) return {FolderKind::cifar10, path};
  if (has_cifar10_files(path / "cifar-10-batches-bin")) {
    return {FolderKind::cifar10, path / "cifar-10-batches-bin"};
  }
  if (is_folder(path / "train") || is_folder(path / "test")) return {FolderKind::images, path};
  throw FileError(path.string(),
                  std::string("no images found. Looked for CIFAR-10's binary files (data_batch_1.bin .. "
                              "data_batch_5.bin, test_batch.bin) here and in cifar-10-batches-bin/, and for "
                              "an image folder (train/<class>/*.png, test/<class>/*.png). ") +
                      kHowToGetData);
}

Dataset load_split(const fs::path& path, Split split) {
  const DataFolder folder = find_data(path);
  return folder.kind == FolderKind::cifar10 ? load_cifar10(folder.path, split) : load_image_folder(folder.path, split);
}

Dataset first_images(const Dataset& dataset, std::int64_t count) {
  if (count < 1) {
    throw std::invalid_argument("expected a count of images of at least 1, got " + std::to_string(count));
  }
  Shape shape = dataset.images.shape();
  shape[0] = std::min(count, dataset.size());
  Dataset result{Tensor::empty(shape, DType::u8), Tensor::empty({shape[0]}, DType::i64), dataset.class_names};
  std::memcpy(result.images.mutable_raw(), dataset.images.raw(), result.images.bytes());
  std::memcpy(result.labels.mutable_raw(), dataset.labels.raw(), result.labels.bytes());
  return result;
}

}  // namespace striate

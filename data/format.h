#pragma once
// The built-in formats, which data/dataset.cpp lists, and what they share: files are looked for in several folders,
// and problems are collected.

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/dataset.h"

namespace striate {

/// data_batch_1.bin .. data_batch_5.bin, test_batch.bin, and batches.meta.txt with ten names, a line each (without it,
/// CIFAR-10's); in the folder or in cifar-10-batches-bin/. FileError for a file that is missing, empty or not a whole
/// number of records, and for a label above 9 (file, record, label).
DatasetFormat cifar10_format();

/// train.bin, test.bin, fine_label_names.txt and coarse_label_names.txt, in the folder or in cifar-100-binary/. 100
/// classes, with the option coarse=true 20. Throws as CIFAR-10's.
DatasetFormat cifar100_format();

/// train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, also with "."
/// before idx, and as .gz; in the folder, in raw/, or in MNIST/raw/ as torchvision has it. FileError for files that are
/// missing, truncated, damaged or of another format, for counts of images and labels that differ, and for a label above
/// 9.
DatasetFormat mnist_format();

/// The same files of Fashion-MNIST (or FashionMNIST/raw/): it is recognised by the name of their folder, which must say
/// "fashion", and takes any folder when it is asked for by name.
DatasetFormat fashion_mnist_format();

/// train/<class>/*.png, test/<class>/*.jpg, ... The classes are the subfolders of train/, or of test/ where there is no
/// train/; classes and files are taken in the order of their names' bytes. Files without an image's ending and folders
/// in a class are passed over, which a note says. The option channels=1 reads grey images instead of colour. Normalised
/// by default_normalization(). FileError where the split or its images are missing, for a class of test/ that is not in
/// train/, for an image that cannot be decoded, and without an image size for one of another size than the first.
DatasetFormat image_folder_format();

using Problems = std::vector<FileError>;

/// Runs f(); what it throws as FileError is a problem.
template <class F>
void attempt(Problems& problems, F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const FileError& error) {
    problems.push_back(error);
  }
}

/// What load_dataset and verify_dataset begin with: the valid images, no tensors where there are none.
Dataset read_dataset(const std::string& format, const std::filesystem::path& path, Split split, const DataOptions& load,
                     Problems& problems);

/// What they end with: the checks that load_dataset promises. `name` is the format's.
void finish_dataset(const std::string& name, Dataset& dataset);

/// With a .. z for A .. Z.
std::string lower_case(std::string text);

/// The first of the folder itself and these subfolders that holds any of the files.
inline std::optional<std::filesystem::path> folder_with(const std::vector<std::string>& files,
                                                        const std::filesystem::path& folder,
                                                        const std::vector<std::string>& subfolders) {
  const auto holds_any = [&](const std::filesystem::path& place) {
    return std::any_of(files.begin(), files.end(), [&](const std::string& file) {
      std::error_code ignored;
      return std::filesystem::exists(place / file, ignored);
    });
  };
  if (holds_any(folder)) return folder;
  for (const std::string& subfolder : subfolders) {
    if (holds_any(folder / subfolder)) return folder / subfolder;
  }
  return std::nullopt;
}

}  // namespace striate

#pragma once
// CIFAR-10's binary files (https://www.cs.toronto.edu/~kriz/cifar.html): records of 3073 bytes, a label and
// then 32x32 pixels as a red, a green and a blue plane, rows from the top. A file may hold any number of
// records.

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

struct Cifar10 {
  static constexpr std::int64_t classes = 10;
  static constexpr std::int64_t side = 32;
  static constexpr std::int64_t channels = 3;
  static constexpr std::int64_t image_bytes = side * side * channels;
  static constexpr std::int64_t record_bytes = 1 + image_bytes;
  static constexpr const char* names_file = "batches.meta.txt";
};

/// The files of a split in the order they are read: data_batch_1.bin .. data_batch_5.bin, or test_batch.bin.
std::vector<std::string> cifar10_files(Split split);

/// True where the folder holds any of the six files.
bool has_cifar10_files(const std::filesystem::path& folder);

/// "airplane", "automobile", ... by label.
std::vector<std::string> cifar10_standard_names();

/// The names in batches.meta.txt, a line each, or CIFAR-10's own where that file is missing. Throws FileError
/// unless there are ten.
std::vector<std::string> cifar10_class_names(const std::filesystem::path& folder);

/// All records of a split, file after file: images (N,32,32,3). Throws FileError for a file that is missing,
/// empty or not a whole number of records, and for a label above 9 (file, record, label).
Dataset load_cifar10(const std::filesystem::path& folder, Split split);

/// One batch file. Throws as load_cifar10 does.
Dataset load_cifar10_file(const std::filesystem::path& file, std::vector<std::string> class_names);

/// Writes images begin .. end-1 of a data set of (N,32,32,3) as a batch file. Throws FileError.
void write_cifar10_file(const std::filesystem::path& file, const Dataset& dataset, std::int64_t begin,
                        std::int64_t end);

}  // namespace striate

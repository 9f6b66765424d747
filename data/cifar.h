#pragma once
// CIFAR's binary files (https://www.cs.toronto.edu/~kriz/cifar.html), the formats cifar10 and cifar100: records of one
// or two bytes of labels and 32x32 pixels as a red, a green and a blue plane, rows from the top. A file may hold any
// number of records. The registry of formats (data/dataset.cpp) lists them; data/generated.h writes CIFAR-10's.

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

inline constexpr ImageShape kCifarImage{32, 32, 3};
inline constexpr std::int64_t kCifar10Classes = 10;
inline constexpr const char* kCifar10NamesFile = "batches.meta.txt";

/// data_batch_1.bin .. data_batch_5.bin, test_batch.bin, and batches.meta.txt with ten names, a line each (without it,
/// cifar10_class_names()); in the folder or in cifar-10-batches-bin/. load throws FileError for a file that is missing,
/// empty or not a whole number of records, and for a label above 9 (file, record, label).
DatasetFormat cifar10_format();

/// train.bin, test.bin, fine_label_names.txt and coarse_label_names.txt, in the folder or in cifar-100-binary/. 100
/// classes, with the option coarse=true 20. Throws as CIFAR-10's.
DatasetFormat cifar100_format();

/// "airplane", "automobile", ... by label.
std::vector<std::string> cifar10_class_names();

/// The files of a split in the order they are read: data_batch_1.bin .. data_batch_5.bin, or test_batch.bin.
std::vector<std::string> cifar10_files(Split split);

/// Writes images begin .. end-1 of a data set of (N,32,32,3) as one of CIFAR-10's files. Throws FileError.
void write_cifar10_file(const std::filesystem::path& file, const Dataset& dataset, std::int64_t begin,
                        std::int64_t end);

}  // namespace striate

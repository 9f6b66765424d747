#pragma once
// What data/generated.h needs to write CIFAR-10's binary files; data/cifar.cpp also reads them.

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

inline constexpr ImageShape kCifarImage{32, 32, 3};
inline constexpr std::int64_t kCifar10Classes = 10;
inline constexpr const char* kCifar10NamesFile = "batches.meta.txt";

/// The files of a split in the order they are read: data_batch_1.bin .. data_batch_5.bin, or test_batch.bin.
std::vector<std::string> cifar10_files(Split split);

/// Writes images begin .. end-1 of a data set of (N,32,32,3) as one of CIFAR-10's files. Throws FileError.
void write_cifar10_file(const std::filesystem::path& file, const Dataset& dataset, std::int64_t begin,
                        std::int64_t end);

}  // namespace striate

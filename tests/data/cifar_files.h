#pragma once
// Small CIFAR-10 folders for tests.

#include <cstdint>
#include <string>

#include "data/cifar.h"
#include "tests/support/temp_folder.h"

namespace striate::testing_support {

/// The byte of a test image: differs between records, planes, rows and columns.
inline std::uint8_t test_byte(int record, std::int64_t y, std::int64_t x, std::int64_t channel) {
  return static_cast<std::uint8_t>(record * 31 + y * 7 + x * 3 + channel * 101);
}

/// One record as the format says: label, then the planes.
inline std::string cifar10_record(int record, int label) {
  std::string bytes(1, static_cast<char>(label));
  for (std::int64_t c = 0; c < 3; ++c) {
    for (std::int64_t y = 0; y < 32; ++y) {
      for (std::int64_t x = 0; x < 32; ++x) bytes.push_back(static_cast<char>(test_byte(record, y, x, c)));
    }
  }
  return bytes;
}

/// data_batch_1 has records 0 and 1, the others one each (2 .. 5), test_batch 6 and 7; record r has label r
/// % 10.
inline void write_cifar10(TempFolder& folder, const std::string& subfolder = ".") {
  for (int file = 1; file <= 5; ++file) {
    std::string bytes = file == 1 ? cifar10_record(0, 0) : "";
    bytes += cifar10_record(file, file);
    folder.write(subfolder + "/data_batch_" + std::to_string(file) + ".bin", bytes);
  }
  folder.write(subfolder + "/test_batch.bin", cifar10_record(6, 6) + cifar10_record(7, 7));
}

}  // namespace striate::testing_support

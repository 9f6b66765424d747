#include "data/cifar10.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "core/file.h"
#include "core/parallel.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

std::int64_t checked_records(const fs::path& file, std::uintmax_t bytes) {
  if (bytes == 0) throw FileError(file.string(), "the file is empty; expected records of 3073 bytes");
  const auto record = static_cast<std::uintmax_t>(Cifar10::record_bytes);
  if (bytes % record != 0) {
    throw FileError(file.string(), "expected a whole number of records of 3073 bytes, got " + std::to_string(bytes) +
                                       " bytes: " + std::to_string(bytes / record) + " records and " +
                                       std::to_string(bytes % record) +
                                       " bytes more; the file is truncated or of another format");
  }
  return static_cast<std::int64_t>(bytes / record);
}

std::int64_t count_records(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) {
    throw FileError(file.string(),
                    "missing; a CIFAR-10 folder holds data_batch_1.bin .. data_batch_5.bin "
                    "and test_batch.bin");
  }
  const std::uintmax_t bytes = fs::file_size(file, error);
  if (error) throw FileError(file.string(), "cannot be read: " + error.message());
  return checked_records(file, bytes);
}

/// A matrix (rows,columns) to (columns,rows): a record's three planes to an image (32,32,3), and back.
void transpose(const std::uint8_t* from, std::uint8_t* to, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) *to++ = from[r * columns + c];
  }
}

constexpr std::int64_t kArea = Cifar10::side * Cifar10::side;

void read_records(const fs::path& file, std::int64_t records, std::uint8_t* images, std::int64_t* labels) {
  const std::vector<std::uint8_t> bytes = read_bytes(file);
  if (checked_records(file, bytes.size()) != records) {
    throw FileError(file.string(), "changed its size while it was read");
  }
  for (std::int64_t i = 0; i < records; ++i) {
    labels[i] = bytes[static_cast<std::size_t>(i * Cifar10::record_bytes)];
    if (labels[i] >= Cifar10::classes) {
      throw FileError(file.string(), "record " + std::to_string(i) + " (counted from 0) has label " +
                                         std::to_string(labels[i]) + ", expected 0 .. 9");
    }
  }
  parallel_for(records, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      transpose(bytes.data() + i * Cifar10::record_bytes + 1, images + i * Cifar10::image_bytes, Cifar10::channels,
                kArea);
    }
  });
}

Dataset load_files(const std::vector<fs::path>& files, std::vector<std::string> class_names) {
  std::vector<std::int64_t> records;
  std::int64_t total = 0;
  for (const fs::path& file : files) {
    records.push_back(count_records(file));
    total += records.back();
  }
  Dataset result{Tensor::empty({total, Cifar10::side, Cifar10::side, Cifar10::channels}, DType::u8),
                 Tensor::empty({total}, DType::i64), std::move(class_names)};
  auto* images = result.images.mutable_data<std::uint8_t>();
  auto* labels = result.labels.mutable_data<std::int64_t>();
  for (std::size_t f = 0; f < files.size(); ++f) {
    read_records(files[f], records[f], images, labels);
    images += records[f] * Cifar10::image_bytes;
    labels += records[f];
  }
  return result;
}

}  // namespace

std::vector<std::string> cifar10_files(Split split) {
  if (split == Split::test) return {"test_batch.bin"};
  return {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
}

bool has_cifar10_files(const fs::path& folder) {
  for (const Split split : {Split::train, Split::test}) {
    for (const std::string& name : cifar10_files(split)) {
      std::error_code ignored;
      if (fs::exists(folder / name, ignored)) return true;
    }
  }
  return false;
}

std::vector<std::string> cifar10_standard_names() {
  return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
}

std::vector<std::string> cifar10_class_names(const fs::path& folder) {
  const fs::path file = folder / Cifar10::names_file;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return cifar10_standard_names();
  const std::vector<std::uint8_t> bytes = read_bytes(file);
  std::string text(bytes.begin(), bytes.end());
  std::replace(text.begin(), text.end(), '\r', '\n');
  std::istringstream lines(text);
  std::vector<std::string> names;
  for (std::string name; std::getline(lines, name);) {
    if (!name.empty()) names.push_back(name);
  }
  if (names.size() != static_cast<std::size_t>(Cifar10::classes)) {
    throw FileError(file.string(), "expected 10 class names, a line each, got " + std::to_string(names.size()));
  }
  return names;
}

Dataset load_cifar10(const fs::path& folder, Split split) {
  std::vector<fs::path> files;
  for (const std::string& name : cifar10_files(split)) files.push_back(folder / name);
  return load_files(files, cifar10_class_names(folder));
}

Dataset load_cifar10_file(const fs::path& file, std::vector<std::string> class_names) {
  return load_files({file}, std::move(class_names));
}

void write_cifar10_file(const fs::path& file, const Dataset& dataset, std::int64_t begin, std::int64_t end) {
  if (dataset.images.rank() != 4 || dataset.images.numel() != dataset.size() * Cifar10::image_bytes ||
      dataset.images.size(1) != Cifar10::side || dataset.images.size(3) != Cifar10::channels) {
    shape_error("write_cifar10_file", "images must be (N,32,32,3): " + to_string(dataset.images.shape()));
  }
  const auto* images = dataset.images.data<std::uint8_t>();
  const auto* labels = dataset.labels.data<std::int64_t>();
  write_atomically(file, [&](const AppendBytes& append) {
    std::vector<std::uint8_t> record(static_cast<std::size_t>(Cifar10::record_bytes));
    for (std::int64_t i = begin; i < end; ++i) {
      record[0] = static_cast<std::uint8_t>(labels[i]);
      transpose(images + i * Cifar10::image_bytes, record.data() + 1, kArea, Cifar10::channels);
      append(record.data(), record.size());
    }
  });
}

}  // namespace striate

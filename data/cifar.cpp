#include "data/cifar.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "core/file.h"
#include "core/parallel.h"
#include "data/format.h"
#include "data/subset.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kArea = kCifarImage.height * kCifarImage.width;

/// How the records of a format begin, and which of their label bytes counts.
struct Records {
  std::int64_t label_bytes;
  std::int64_t label_at;
  std::int64_t classes;
  const char* files;  ///< of a whole folder, for messages

  [[nodiscard]] std::int64_t bytes() const { return label_bytes + kCifarImage.numel(); }
};

std::int64_t checked_count(const Records& records, const fs::path& file, std::uintmax_t bytes) {
  const std::string expected = "records of " + std::to_string(records.bytes()) + " bytes";
  if (bytes == 0) throw FileError(file.string(), "the file is empty; expected " + expected);
  const auto record = static_cast<std::uintmax_t>(records.bytes());
  if (bytes % record != 0) {
    throw FileError(file.string(), "expected a whole number of " + expected + ", got " + std::to_string(bytes) +
                                       " bytes: " + std::to_string(bytes / record) + " records and " +
                                       std::to_string(bytes % record) +
                                       " bytes more; the file is truncated or of another format");
  }
  return static_cast<std::int64_t>(bytes / record);
}

std::int64_t count_records(const Records& records, const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) throw FileError(file.string(), std::string("missing; ") + records.files);
  const std::uintmax_t bytes = fs::file_size(file, error);
  if (error) throw FileError(file.string(), "cannot be read: " + error.message());
  return checked_count(records, file, bytes);
}

/// A matrix (rows,columns) to (columns,rows): a record's three planes to an image (32,32,3), and back.
void transpose(const std::uint8_t* from, std::uint8_t* to, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) *to++ = from[r * columns + c];
  }
}

void read_records(const Records& records, const fs::path& file, std::int64_t count, std::uint8_t* images,
                  std::int64_t* labels) {
  const std::vector<std::uint8_t> bytes = read_bytes(file);
  if (checked_count(records, file, bytes.size()) != count) {
    throw FileError(file.string(), "changed its size while it was read; try again");
  }
  for (std::int64_t i = 0; i < count; ++i) {
    labels[i] = bytes[static_cast<std::size_t>(i * records.bytes() + records.label_at)];
    if (labels[i] >= records.classes) {
      throw FileError(file.string(), "record " + std::to_string(i) + " (counted from 0) has label " +
                                         std::to_string(labels[i]) + ", expected 0 .. " +
                                         std::to_string(records.classes - 1) +
                                         "; the file is damaged or of another format");
    }
  }
  parallel_for(count, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      transpose(bytes.data() + i * records.bytes() + records.label_bytes, images + i * kCifarImage.numel(),
                kCifarImage.channels, kArea);
    }
  });
}

/// The records of all valid files.
void read_files(const Records& records, const std::vector<fs::path>& files, Dataset& dataset, Problems problems) {
  std::vector<std::pair<fs::path, std::int64_t>> counted;
  std::int64_t total = 0;
  for (const fs::path& file : files) {
    attempt(problems, [&] {
      counted.emplace_back(file, count_records(records, file));
      total += counted.back().second;
    });
  }
  if (total == 0) return;
  dataset.images = Tensor::empty({total, kCifarImage.height, kCifarImage.width, kCifarImage.channels}, DType::u8);
  dataset.labels = Tensor::empty({total}, DType::i64);
  auto* images = dataset.images.mutable_data<std::uint8_t>();
  auto* labels = dataset.labels.mutable_data<std::int64_t>();
  std::int64_t done = 0;
  for (const auto& [file, count] : counted) {
    attempt(problems, [&, &file = file, &count = count] {
      read_records(records, file, count, images + done * kCifarImage.numel(), labels + done);
      done += count;
    });
  }
  if (done == 0) {
    dataset.images = dataset.labels = Tensor();
  } else if (done < total) {
    dataset = first_images(dataset, done);
  }
}

/// The lines of a file that are not empty.
std::vector<std::string> read_names(const fs::path& file, std::int64_t count) {
  const std::vector<std::uint8_t> bytes = read_bytes(file);
  std::string text(bytes.begin(), bytes.end());
  std::replace(text.begin(), text.end(), '\r', '\n');
  std::istringstream lines(text);
  std::vector<std::string> names;
  for (std::string name; std::getline(lines, name);) {
    if (!name.empty()) names.push_back(name);
  }
  if (names.size() != static_cast<std::size_t>(count)) {
    throw FileError(file.string(), "expected " + std::to_string(count) + " class names, a line each, got " +
                                       std::to_string(names.size()) + "; unpack the file again");
  }
  return names;
}

std::optional<fs::path> find_cifar10(const fs::path& path) {
  std::vector<std::string> files = cifar10_files(Split::train);
  files.push_back(cifar10_files(Split::test)[0]);
  return folder_with(files, path, {"cifar-10-batches-bin"});
}

Dataset read_cifar10(const fs::path& path, Split split, const NamedOptions& /*options*/, Problems problems) {
  const Records records{1, 0, kCifar10Classes,
                        "a CIFAR-10 folder holds data_batch_1.bin .. data_batch_5.bin and test_batch.bin"};
  const fs::path folder = find_cifar10(path).value_or(path);
  Dataset dataset{.class_names = cifar10_class_names(), .normalization = default_normalization(3)};
  std::error_code ignored;
  if (const fs::path names = folder / kCifar10NamesFile; fs::exists(names, ignored)) {
    attempt(problems, [&] { dataset.class_names = read_names(names, records.classes); });
  }
  std::vector<fs::path> files;
  for (const std::string& name : cifar10_files(split)) files.push_back(folder / name);
  read_files(records, files, dataset, problems);
  return dataset;
}

std::optional<fs::path> find_cifar100(const fs::path& path) {
  return folder_with({"train.bin", "test.bin"}, path, {"cifar-100-binary"});
}

Dataset read_cifar100(const fs::path& path, Split split, const NamedOptions& options, Problems problems) {
  const bool coarse = options.flag("coarse", false);
  const Records records{
      2, coarse ? 0 : 1, coarse ? 20 : 100,
      "a CIFAR-100 folder holds train.bin, test.bin, fine_label_names.txt and coarse_label_names.txt"};
  const fs::path folder = find_cifar100(path).value_or(path);
  // Of the training images, as most who use CIFAR-100 have it.
  Dataset dataset{.class_names = std::vector<std::string>(static_cast<std::size_t>(records.classes), "?"),
                  .normalization = {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}}};
  const fs::path names = folder / (coarse ? "coarse_label_names.txt" : "fine_label_names.txt");
  attempt(problems, [&] { dataset.class_names = read_names(names, records.classes); });
  read_files(records, {folder / (to_string(split) + ".bin")}, dataset, problems);
  return dataset;
}

}  // namespace

DatasetFormat cifar10_format() {
  return format_of(
      "CIFAR-10's binary files data_batch_1.bin .. data_batch_5.bin and test_batch.bin, here or in "
      "cifar-10-batches-bin/",
      [](const fs::path& path) { return find_cifar10(path).has_value(); }, read_cifar10);
}

DatasetFormat cifar100_format() {
  return format_of(
      "CIFAR-100's binary files train.bin and test.bin, here or in cifar-100-binary/; the option coarse=true takes the "
      "20 superclasses",
      [](const fs::path& path) { return find_cifar100(path).has_value(); }, read_cifar100);
}

std::vector<std::string> cifar10_class_names() {
  return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
}

std::vector<std::string> cifar10_files(Split split) {
  if (split == Split::test) return {"test_batch.bin"};
  return {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
}

void write_cifar10_file(const fs::path& file, const Dataset& dataset, std::int64_t begin, std::int64_t end) {
  check_dataset("write_cifar10_file", dataset);
  if (dataset.image_shape() != kCifarImage) {
    shape_error("write_cifar10_file", "images must be (N,32,32,3): " + to_string(dataset.images.shape()));
  }
  const auto* images = dataset.images.data<std::uint8_t>();
  const auto* labels = dataset.labels.data<std::int64_t>();
  write_atomically(file, [&](const AppendBytes& append) {
    std::vector<std::uint8_t> record(static_cast<std::size_t>(1 + kCifarImage.numel()));
    for (std::int64_t i = begin; i < end; ++i) {
      record[0] = static_cast<std::uint8_t>(labels[i]);
      transpose(images + i * kCifarImage.numel(), record.data() + 1, kArea, kCifarImage.channels);
      append(record.data(), record.size());
    }
  });
}

}  // namespace striate

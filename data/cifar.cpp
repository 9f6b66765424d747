// CIFAR's binary files (https://www.cs.toronto.edu/~kriz/cifar.html), the formats cifar10 and cifar100: records of one
// or two bytes of labels and 32x32 pixels as a red, a green and a blue plane, rows from the top. A file may hold any
// number of records.
#include "data/cifar.h"

#include <algorithm>
#include <numeric>
#include <sstream>

#include "core/check.h"
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

/// A matrix (rows,columns) to (columns,rows): a record's three planes to an image (32,32,3), and back.
void transpose(const std::uint8_t* from, std::uint8_t* to, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) *to++ = from[r * columns + c];
  }
}

/// Reads a file of at most `room` images and returns how many they are.
std::int64_t read_records(const Records& records, const fs::path& file, std::int64_t room, std::uint8_t* images,
                          std::int64_t* labels) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) throw FileError(file.string(), std::string("missing; ") + records.files);
  const std::vector<std::uint8_t> bytes = read_bytes(file);
  const std::string expected = "records of " + std::to_string(records.bytes()) + " bytes";
  if (bytes.empty()) throw FileError(file.string(), "the file is empty; expected " + expected);
  const auto size = static_cast<std::int64_t>(bytes.size());
  const std::int64_t count = size / records.bytes();
  if (size % records.bytes() != 0) {
    throw FileError(file.string(), "expected a whole number of " + expected + ", got " + std::to_string(size) +
                                       " bytes: " + std::to_string(count) + " records and " +
                                       std::to_string(size % records.bytes()) +
                                       " bytes more; the file is truncated or of another format");
  }
  if (count > room) throw FileError(file.string(), "changed its size while it was read; try again");
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
  return count;
}

/// The records of all valid files.
void read_files(const Records& records, const std::vector<fs::path>& files, Dataset& dataset, Problems& problems) {
  std::int64_t room = 0;
  for (const fs::path& file : files) {
    std::error_code error;  // that it cannot be read is said below
    const std::uintmax_t bytes = fs::file_size(file, error);
    if (!error) room += static_cast<std::int64_t>(bytes) / records.bytes();
  }
  Dataset all{.images = Tensor::empty({room, kCifarImage.height, kCifarImage.width, kCifarImage.channels}, DType::u8),
              .labels = Tensor::empty({room}, DType::i64)};
  auto* images = all.images.mutable_data<std::uint8_t>();
  auto* labels = all.labels.mutable_data<std::int64_t>();
  std::int64_t done = 0;
  for (const fs::path& file : files) {
    attempt(problems, [&] {
      done += read_records(records, file, room - done, images + done * kCifarImage.numel(), labels + done);
    });
  }
  if (done == 0) return;
  if (done < room) {
    std::vector<std::int64_t> valid(static_cast<std::size_t>(done));
    std::iota(valid.begin(), valid.end(), 0);
    all = images_at(all, valid);
  }
  dataset.images = all.images;
  dataset.labels = all.labels;
}

constexpr std::uint64_t kLongestNames = 1U << 20U;

/// The lines of a file that are not empty.
std::vector<std::string> read_names(const fs::path& file, std::int64_t count) {
  const std::vector<std::uint8_t> bytes = read_bytes(file, kLongestNames);
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

Dataset read_cifar10(const ReadRequest& request) {
  const Records records{1, 0, kCifar10Classes,
                        "a CIFAR-10 folder holds data_batch_1.bin .. data_batch_5.bin and test_batch.bin"};
  const fs::path folder = find_cifar10(request.path).value_or(request.path);
  Dataset dataset{
      .class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
      .normalization = default_normalization(3)};
  std::error_code ignored;
  if (const fs::path names = folder / kCifar10NamesFile; fs::exists(names, ignored)) {
    attempt(request.problems, [&] { dataset.class_names = read_names(names, records.classes); });
  }
  std::vector<fs::path> files;
  for (const std::string& name : cifar10_files(request.split)) files.push_back(folder / name);
  read_files(records, files, dataset, request.problems);
  return dataset;
}

std::optional<fs::path> find_cifar100(const fs::path& path) {
  return folder_with({"train.bin", "test.bin"}, path, {"cifar-100-binary"});
}

Dataset read_cifar100(const ReadRequest& request) {
  const bool coarse = request.options.flag("coarse", false);
  const Records records{
      2, coarse ? 0 : 1, coarse ? 20 : 100,
      "a CIFAR-100 folder holds train.bin, test.bin, fine_label_names.txt and coarse_label_names.txt"};
  const fs::path folder = find_cifar100(request.path).value_or(request.path);
  // Of the training images, as most who use CIFAR-100 have it.
  Dataset dataset{.class_names = std::vector<std::string>(static_cast<std::size_t>(records.classes), "?"),
                  .normalization = {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}}};
  const fs::path names = folder / (coarse ? "coarse_label_names.txt" : "fine_label_names.txt");
  attempt(request.problems, [&] { dataset.class_names = read_names(names, records.classes); });
  read_files(records, {folder / (to_string(request.split) + ".bin")}, dataset, request.problems);
  return dataset;
}

}  // namespace

DatasetFormat cifar10_format() {
  return {.help =
              "CIFAR-10's binary files data_batch_1.bin .. data_batch_5.bin and test_batch.bin, here or in "
              "cifar-10-batches-bin/",
          .recognises = [](const fs::path& path) { return find_cifar10(path).has_value(); },
          .read = read_cifar10};
}

DatasetFormat cifar100_format() {
  return {.help =
              "CIFAR-100's binary files train.bin and test.bin, here or in cifar-100-binary/; the option coarse=true "
              "takes the 20 superclasses",
          .recognises = [](const fs::path& path) { return find_cifar100(path).has_value(); },
          .read = read_cifar100};
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
  expect(begin >= 0 && begin <= end && end <= dataset.size(), "write_cifar10_file",
         "a part of " + std::to_string(dataset.size()) + " images",
         std::to_string(begin) + " .. " + std::to_string(end));
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

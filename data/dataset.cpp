#include "data/dataset.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/check.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "core/registry.h"
#include "core/text.h"
#include "data/format.h"
#include "data/subset.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

/// Looked through from its end.
Registry<DatasetFormat>& registry() {
  static Registry<DatasetFormat> formats("dataset", {{"image-folder", image_folder_format()},
                                                     {"fashion-mnist", fashion_mnist_format()},
                                                     {"mnist", mnist_format()},
                                                     {"cifar100", cifar100_format()},
                                                     {"cifar10", cifar10_format()}});
  return formats;
}

constexpr const char* kHowToGetData =
    "To draw a data set: striate generate --out DIR. To get CIFAR-10: "
    "curl -LO https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz && tar -xzf cifar-10-binary.tar.gz";

/// The images as (N,side,side,C).
Tensor all_resized(const Dataset& dataset, std::int64_t side) {
  const Shape& shape = dataset.images.shape();
  if (shape[1] == side && shape[2] == side) return dataset.images;
  Tensor result = Tensor::empty({shape[0], side, side, shape[3]}, DType::u8);
  auto* out = result.mutable_data<std::uint8_t>();
  parallel_for(shape[0], 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Tensor image = images_at(dataset, {i}).images.viewed_as({shape[1], shape[2], shape[3]});
      const Tensor small = resized(image, side, side);
      std::copy_n(small.data<std::uint8_t>(), small.numel(), out + i * small.numel());
    }
  });
  return result;
}

}  // namespace

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string to_string(const ImageShape& shape) {
  return std::to_string(shape.height) + "x" + std::to_string(shape.width) + "x" + std::to_string(shape.channels);
}

std::string to_string(Split split) { return split == Split::train ? "train" : "test"; }

void check_dataset(const std::string& op, const Dataset& dataset) {
  expect(dataset.images.defined() && dataset.labels.defined(), op, "images and labels", "an undefined tensor");
  const Shape& shape = dataset.images.shape();
  if (shape.size() != 4 || dataset.images.numel() < 1 || dataset.labels.shape() != Shape{shape[0]}) {
    shape_error(op, "images must be (N,H,W,C) with N >= 1 labels (N): images " + to_string(shape) + ", labels " +
                        to_string(dataset.labels.shape()));
  }
  expect(dataset.images.dtype() == DType::u8, op, "images of u8", to_string(dataset.images.dtype()));
}

void register_dataset(const std::string& name, DatasetFormat format) {
  expect(format.load || format.read, "register_dataset", "a function that loads " + name, "none");
  registry().add(name, std::move(format));
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names = registry().names();
  std::reverse(names.begin(), names.end());
  return names;
}

const DatasetFormat& dataset_format(const std::string& name) { return registry().at(name); }

std::string find_dataset(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw FileError(path.string(), std::string("no such data folder. ") + kHowToGetData);
  std::string looked_for;
  for (const std::string& name : dataset_names()) {
    const DatasetFormat& format = dataset_format(name);
    if (!format.recognises) continue;
    if (format.recognises(path)) return name;
    looked_for += "\n  " + name + ": " + format.help;
  }
  throw FileError(path.string(), "no data set found. Looked for" + looked_for + "\n" + kHowToGetData);
}

Dataset load_dataset(const fs::path& path, Split split, const std::string& format, const DataOptions& load) {
  const std::string found = format.empty() ? find_dataset(path) : format;
  std::vector<FileError> problems;
  Dataset dataset = read_dataset(found, path, split, load, problems);
  if (problems.size() == 1) throw FileError(problems[0]);
  if (!problems.empty()) {
    std::vector<std::string> lines;
    for (const FileError& problem : problems) lines.emplace_back(problem.what());
    throw FileError(path.string(), std::to_string(problems.size()) + " problems:" + listed(lines));
  }
  finish_dataset(parse_name_and_options(found).name, load, dataset);
  return dataset;
}

Dataset read_dataset(const std::string& format, const fs::path& path, Split split, const DataOptions& load,
                     std::vector<FileError>& problems) {
  expect(load.image_size >= 0 && load.image_size <= kMostOfASide, "load_dataset",
         "an image size of 1 .. " + std::to_string(kMostOfASide) + ", or 0 for that of the files", load.image_size);
  expect(load.max_pixels >= 1, "load_dataset", "at least 1 pixel", load.max_pixels);
  const auto [name, options] = parse_name_and_options(format);
  const DatasetFormat& found = dataset_format(name);
  Dataset dataset;
  attempt(problems, [&, &name = name, &options = options] {
    dataset = found.read ? found.read({path, split, options, load, problems}) : found.load(path, split, options);
    options.expect_all_read(name);
  });
  for (const std::string& class_name : dataset.class_names) {
    if (!is_utf8(class_name)) {
      problems.emplace_back(path.string(), "the name of the class " + printable(class_name) +
                                               " is not UTF-8; rename it (convmv renames folders)");
    }
  }
  return dataset;
}

void finish_dataset(const std::string& name, const DataOptions& load, Dataset& dataset) {
  check_dataset(name, dataset);
  if (load.image_size > 0) dataset.images = all_resized(dataset, load.image_size);
  const auto labels = dataset.labels.span<std::int64_t>();
  const auto [least, most] = std::minmax_element(labels.begin(), labels.end());
  expect(*least >= 0 && *most < dataset.classes(), name,
         "labels 0 .. " + std::to_string(dataset.classes() - 1) + " (there are so many class names)",
         *least < 0 ? *least : *most);
  dataset.normalization = dataset.normalization.for_channels(dataset.channels());
}

}  // namespace striate

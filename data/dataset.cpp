#include "data/dataset.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/registry.h"
#include "data/format.h"

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

}  // namespace

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

Dataset load_dataset(const fs::path& path, Split split, const std::string& format) {
  return read_dataset(format.empty() ? find_dataset(path) : format, {.path = path, .split = split});
}

Dataset read_dataset(const std::string& format, ReadRequest request) {
  const auto [name, options] = parse_name_and_options(format);
  const DatasetFormat& found = dataset_format(name);
  request.options = options;
  Dataset dataset = found.read ? found.read(request) : found.load(request.path, request.split, options);
  options.expect_all_read(name);
  if (request.problems != nullptr && !dataset.labels.defined()) return dataset;
  check_dataset(name, dataset);
  const auto labels = dataset.labels.span<std::int64_t>();
  const auto [least, most] = std::minmax_element(labels.begin(), labels.end());
  expect(*least >= 0 && *most < dataset.classes(), name,
         "labels 0 .. " + std::to_string(dataset.classes() - 1) + " (there are so many class names)",
         *least < 0 ? *least : *most);
  dataset.normalization = dataset.normalization.for_channels(dataset.channels());
  return dataset;
}

}  // namespace striate

#include "data/dataset.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/check.h"
#include "core/own_xxhash.h"
#include "core/printable.h"
#include "core/registry.h"
#include "core/text.h"
#include "data/format.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

/// Looked through from its end.
Registry<DatasetFormat>& registry() {
  static Registry<DatasetFormat> formats("dataset", {{"image-folder", image_folder_format()},
                                                     {"segmentation-folder", segmentation_folder_format()},
                                                     {"audio-folder", audio_folder_format()},
                                                     {"spoken-digits", spoken_digits_format()},
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

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string to_string(Split split) {
  return split == Split::train ? "train" : split == Split::validation ? "val" : "test";
}

void check_dataset(const std::string& op, const Dataset& dataset) {
  expect((dataset.source || dataset.images.defined()) && dataset.labels.defined(), op, "images and labels",
         "an undefined tensor");
  const Shape shape = dataset.source ? Shape{dataset.source->size()} : dataset.images.shape();
  const bool of_images = dataset.source ? shape[0] >= 1 : shape.size() == 4 && dataset.images.numel() >= 1;
  if (!of_images || dataset.labels.shape() != Shape{shape[0]}) {
    shape_error(op, "images must be (N,H,W,C) with N >= 1 labels (N): images " + to_string(shape) + ", labels " +
                        to_string(dataset.labels.shape()));
  }
  if (!dataset.source)
    expect(dataset.images.dtype() == DType::u8, op, "images of u8", to_string(dataset.images.dtype()));
  const ImageShape out = dataset.image_shape();
  expect(
      out.height >= 1 && out.width >= 1, op,
      "images of one size, or a transform that brings them to one (an image size does: --image-size; for recordings, "
      "the option length)",
      "images of several sizes");
}

std::string ImageSource::name(std::int64_t i) const { return "image " + std::to_string(i); }

std::uint64_t ImageSource::hash(std::int64_t i) const {
  const Tensor bytes = image(i);
  return XXH3_64bits(bytes.raw(), bytes.bytes());
}

ImageShape Dataset::stored_shape() const {
  if (!source && !images.defined()) return {};
  return source ? source->shape() : ImageShape{images.size(1), images.size(2), images.size(3)};
}

Picture stored_picture(const Dataset& dataset, std::int64_t i) {
  if (!dataset.source) {
    const ImageShape shape = dataset.stored_shape();
    const auto bytes = static_cast<std::size_t>(shape.numel());
    return {dataset.images, dataset.images.span<std::uint8_t>().subspan(static_cast<std::size_t>(i) * bytes, bytes),
            shape};
  }
  return {dataset.source->image(i), dataset.source->shape().sample_rate};
}

std::string image_name(const Dataset& dataset, std::int64_t i) {
  if (dataset.source) return dataset.source->name(i);
  return "image " + std::to_string(dataset.chosen.empty() ? i : dataset.chosen[static_cast<std::size_t>(i)]);
}

std::vector<std::int64_t> class_counts(const Dataset& dataset) {
  std::vector<std::int64_t> counts(dataset.class_names.size());
  if (!dataset.is_segmentation()) {
    for (const std::int64_t label : dataset.labels.span<std::int64_t>()) ++counts.at(static_cast<std::size_t>(label));
    return counts;
  }
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const Tensor map = dataset.source->label_map(i);
    for (const std::uint8_t pixel : map.span<std::uint8_t>()) {
      if (pixel > 0) ++counts.at(pixel - std::size_t{1});
    }
  }
  return counts;
}

Tensor transformed_images(const Dataset& dataset, const std::vector<std::int64_t>& places) {
  const ImageShape shape = dataset.image_shape();
  Tensor result = Tensor::empty({static_cast<std::int64_t>(places.size()), shape.height, shape.width, shape.channels},
                                shape.dtype());
  auto* out = static_cast<std::uint8_t*>(result.mutable_raw());
  for (const std::int64_t place : places) {
    const Tensor image = transformed_picture(stored_picture(dataset, place), dataset.transforms,
                                             {.image = static_cast<std::uint64_t>(place)});
    out = std::copy_n(static_cast<const std::uint8_t*>(image.raw()), image.bytes(), out);
  }
  return result;
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

bool has_split(const fs::path& path, Split split, const std::string& format) {
  const DatasetFormat& found =
      dataset_format(parse_name_and_options(format.empty() ? find_dataset(path) : format).name);
  return found.has ? found.has(path, split) : split != Split::validation;
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
  if (!found.has && split == Split::validation) {
    problems.emplace_back(path.string(), name + " has no validation images; hold out a part of the training images");
    return dataset;
  }
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
  const auto side = load.image_size;
  if (side > 0 && !dataset.stored_shape().is_recording() &&
      dataset.stored_shape() != ImageShape{side, side, dataset.channels()}) {
    for (const char* transform : {"resize", "center_crop"}) {
      dataset.transforms.push_back(make_transform(std::string(transform) + ":size=" + std::to_string(side)));
    }
  }
  check_dataset(name, dataset);
  const auto labels = dataset.labels.span<std::int64_t>();
  const auto [least, most] = std::minmax_element(labels.begin(), labels.end());
  expect(*least >= 0 && *most < dataset.classes(), name,
         "labels 0 .. " + std::to_string(dataset.classes() - 1) + " (there are so many class names)",
         *least < 0 ? *least : *most);
  const Normalization& normalization = dataset.normalization;
  if (normalization != Normalization{}) static_cast<void>(normalization.for_channels(dataset.channels()));  // throws
}

}  // namespace striate

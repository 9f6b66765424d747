#pragma once
// Labelled images in memory, and the formats of files that they come from, by name. Loader (data/loader.h) makes
// batches of a Dataset; data/cifar.cpp is a format to copy from.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/named_options.h"
#include "core/normalization.h"
#include "core/tensor.h"
#include "data/image.h"

namespace striate {

/// The shape of one image.
struct ImageShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;

  [[nodiscard]] std::int64_t numel() const { return height * width * channels; }
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
};

/// "32x32x3".
std::string to_string(const ImageShape& shape);

/// How the images of any format are brought into memory.
struct DataOptions {
  /// Every image is resized to a square of this side, as `predict` does it; 0: all must have one size already.
  std::int64_t image_size = 0;
  std::int64_t max_pixels = kMaxPixels;  ///< a picture that says it has more is refused before it is decoded
};

/// Images kept once, as bytes. A copy shares the memory.
struct Dataset {
  Tensor images{};                         ///< u8 (N,H,W,C)
  Tensor labels{};                         ///< i64 (N), each 0 .. class_names.size()-1
  std::vector<std::string> class_names{};  ///< by label
  Normalization normalization{};           ///< what Loader applies
  std::vector<std::string> notes{};        ///< what was passed over in loading, a line each, to be shown to the user

  [[nodiscard]] std::int64_t size() const { return labels.size(0); }
  [[nodiscard]] std::int64_t classes() const { return static_cast<std::int64_t>(class_names.size()); }
  [[nodiscard]] std::int64_t channels() const { return images.size(3); }
  [[nodiscard]] ImageShape image_shape() const { return {images.size(1), images.size(2), images.size(3)}; }
};

/// Throws ShapeError unless images are (N,H,W,C), none of these 0, and labels (N); std::invalid_argument for images
/// that are not u8. `op` goes into messages.
void check_dataset(const std::string& op, const Dataset& dataset);

enum class Split : std::uint8_t { train, test };

/// "train" or "test".
std::string to_string(Split split);

/// What a format is asked to read.
struct ReadRequest {
  const std::filesystem::path& path;  ///< may be empty or lead nowhere
  Split split;
  const NamedOptions& options;  ///< the format's own
  const DataOptions& load;      ///< what a format leaves of image_size to do is done to its images
  /// Where a format can go on after a problem, it appends it here and returns the valid images; load_dataset throws all
  /// of them together, `striate verify` lists them.
  std::vector<FileError>& problems;
};

/// How a kind of data set is recognised and read.
struct DatasetFormat {
  /// The files and where they are looked for, for help and messages: "CIFAR-10's binary files: ...".
  std::string help{};
  /// Whether `path`, which exists, holds this format. Empty: found by its name only.
  std::function<bool(const std::filesystem::path& path)> recognises{};
  /// Throws FileError for files that are not what they should be. `path` may be empty or lead nowhere.
  std::function<Dataset(const std::filesystem::path& path, Split split, const NamedOptions& options)> load{};
  /// In the place of load, for formats that can go on after a problem.
  std::function<Dataset(const ReadRequest& request)> read{};
};

/// Makes a format known by `name`. Throws std::invalid_argument for a name that is taken or cannot be one.
void register_dataset(const std::string& name, DatasetFormat format);

/// In the order in which load_dataset looks: those registered last first, then cifar10, cifar100, mnist, fashion-mnist,
/// image-folder.
std::vector<std::string> dataset_names();

/// Throws std::invalid_argument with the nearest name and all names.
const DatasetFormat& dataset_format(const std::string& name);

/// The name of the first format that recognises the path. Throws FileError that says what was looked for and how to get
/// data.
std::string find_dataset(const std::filesystem::path& path);

/// Loads one split. `format` is a name, with options if it has some: "cifar100:coarse=true"; empty: what find_dataset
/// finds. The result has passed check_dataset, every label has a class name of UTF-8, and the normalization a value for
/// every channel. Throws FileError, for several files one that names the first ten, and std::invalid_argument for
/// unknown names and options.
Dataset load_dataset(const std::filesystem::path& path, Split split, const std::string& format = "",
                     const DataOptions& load = {});

}  // namespace striate

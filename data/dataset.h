#pragma once
// Labelled images, in memory or read from files as they are needed, and the formats of files that they come from, by
// name. Loader (data/loader.h) makes batches of a Dataset; data/cifar.cpp is a format to copy from.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/named_options.h"
#include "core/normalization.h"
#include "core/tensor.h"
#include "data/image.h"
#include "data/picture.h"
#include "data/transform.h"

namespace striate {

/// How the images of any format are read.
struct DataOptions {
  /// Every picture gets the transforms resize and center_crop to this size; 0: they stay as they are.
  std::int64_t image_size = 0;
  /// Every recording gets the transform pad_or_trim to so many samples; 0: what the format's option length says.
  std::int64_t length = 0;
  std::int64_t max_pixels = kMaxPixels;  ///< a picture that says it has more is refused before it is decoded
  bool skip_broken = false;              ///< leaves out files that cannot be read, with a note, instead of refusing all
  /// Bytes of decoded pictures that are kept in memory where they come from files; the others are decoded again each
  /// time. What is read is the same for any number.
  std::int64_t cache_bytes = std::int64_t{512} << 20;
  /// Told in a line how far it is, where many pictures are read. Called often, one call at a time, on any thread.
  std::function<void(const std::string& line)> progress{};
};

/// Pictures or recordings that are read where they are needed, by several threads at a time.
class ImageSource {
 public:
  ImageSource() = default;
  virtual ~ImageSource() = default;
  ImageSource(const ImageSource&) = delete;
  ImageSource& operator=(const ImageSource&) = delete;

  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Of every picture; height = width = 0 where they have several sizes. Recordings agree in channels and rate.
  [[nodiscard]] virtual ImageShape shape() const = 0;
  /// Picture i, 0 <= i < size(): u8 (H,W,C), or recording i: f32 (1,L,C), as shape().dtype() says. Throws FileError.
  [[nodiscard]] virtual Tensor image(std::int64_t i) const = 0;
  /// Picture i as messages and tables name it: a file's path, or "image 17".
  [[nodiscard]] virtual std::string name(std::int64_t i) const;
  /// Whether every picture has a label map: images for segmentation.
  [[nodiscard]] virtual bool has_label_maps() const { return false; }
  /// The classes of picture i's pixels: u8 (H,W,1), k + 1 for class k and 0 for a pixel that has none and counts for
  /// nothing, so that what transforms fill with black has none. Throws FileError.
  [[nodiscard]] virtual Tensor label_map(std::int64_t /*i*/) const { return {}; }
  /// A hash of picture i's bytes (and its label map's), by which a resumed run knows its data again.
  [[nodiscard]] virtual std::uint64_t hash(std::int64_t i) const;
  /// What is kept in memory.
  [[nodiscard]] virtual std::int64_t cached_bytes() const { return 0; }
};

/// Images as bytes, in one of two places. A copy shares the memory.
struct Dataset {
  Tensor images{};  ///< u8 (N,H,W,C), all of one size in memory; undefined with a source
  /// i64 (N), each 0 .. class_names.size()-1; for segmentation, where pixels have classes, all 0.
  Tensor labels{};
  std::vector<std::string> class_names{};  ///< by label
  Normalization normalization{};           ///< what Loader applies; empty: default_normalization()
  std::vector<std::string> notes{};        ///< what was passed over in loading, a line each, to be shown to the user
  std::shared_ptr<const ImageSource> source{};  ///< in the place of images
  /// What every image goes through before anything else, as PyTorch's `transform` of a data set: it brings them to one
  /// size.
  Transforms transforms{};
  /// Of images in memory that were chosen from others (data/subset.h), the place of each among those; else empty.
  std::vector<std::int64_t> chosen{};

  [[nodiscard]] std::int64_t size() const { return labels.size(0); }
  [[nodiscard]] std::int64_t classes() const { return static_cast<std::int64_t>(class_names.size()); }
  [[nodiscard]] std::int64_t channels() const { return stored_shape().channels; }
  [[nodiscard]] bool is_segmentation() const { return source && source->has_label_maps(); }
  /// Of the images as they are stored; height = width = 0 where they have several sizes.
  [[nodiscard]] ImageShape stored_shape() const;
  /// Of what comes out of the transforms.
  [[nodiscard]] ImageShape image_shape() const { return output_shape(transforms, stored_shape()); }
};

/// Image i, 0 <= i < dataset.size(). Throws as ImageSource::image.
Picture stored_picture(const Dataset& dataset, std::int64_t i);

/// Image i as messages and tables name it: a file's path, or "image 17", counted from 0 in the data set as it was
/// loaded.
std::string image_name(const Dataset& dataset, std::int64_t i);

/// The images of every class, for segmentation its pixels.
std::vector<std::int64_t> class_counts(const Dataset& dataset);

/// The images at these places out of the data set's transforms: (places.size(),H,W,C) of the stored dtype. What the
/// transforms draw is that of epoch 0 and seed 0.
Tensor transformed_images(const Dataset& dataset, const std::vector<std::int64_t>& places);

/// Throws ShapeError unless images are (N,H,W,C), none of these 0, or a source of N images, and labels (N);
/// std::invalid_argument for images that are not u8, and for images of several sizes that the transforms leave so.
/// `op` goes into messages.
void check_dataset(const std::string& op, const Dataset& dataset);

enum class Split : std::uint8_t { train, validation, test };

/// "train", "val" or "test".
std::string to_string(Split split);

/// What a format is asked to read.
struct ReadRequest {
  const std::filesystem::path& path;  ///< may be empty or lead nowhere
  Split split;
  const NamedOptions& options;  ///< the format's own
  const DataOptions& load;
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
  /// Whether `path` holds this split. Empty: training and test images.
  std::function<bool(const std::filesystem::path& path, Split split)> has{};
  /// Throws FileError for files that are not what they should be. `path` may be empty or lead nowhere.
  std::function<Dataset(const std::filesystem::path& path, Split split, const NamedOptions& options)> load{};
  /// In the place of load, for formats that can go on after a problem.
  std::function<Dataset(const ReadRequest& request)> read{};
};

/// Makes a format known by `name`. Throws std::invalid_argument for a name that is taken or cannot be one.
void register_dataset(const std::string& name, DatasetFormat format);

/// In the order in which load_dataset looks: those registered last first, then cifar10, cifar100, mnist, fashion-mnist,
/// spoken-digits, audio-folder, segmentation-folder, image-folder.
std::vector<std::string> dataset_names();

/// Throws std::invalid_argument with the nearest name and all names.
const DatasetFormat& dataset_format(const std::string& name);

/// The name of the first format that recognises the path. Throws FileError that says what was looked for and how to get
/// data.
std::string find_dataset(const std::filesystem::path& path);

/// Whether load_dataset will find these images, as far as folders and files tell. `format` as there; throws as there
/// for names that are not known and paths that hold nothing known.
bool has_split(const std::filesystem::path& path, Split split, const std::string& format = "");

/// Loads one split. `format` is a name, with options if it has some: "cifar100:coarse=true"; empty: what find_dataset
/// finds. The result has passed check_dataset, every label has a class name of UTF-8, and the normalization a value for
/// every channel. Throws FileError, for several files one that names the first ten, and std::invalid_argument for
/// unknown names and options.
Dataset load_dataset(const std::filesystem::path& path, Split split, const std::string& format = "",
                     const DataOptions& load = {});

}  // namespace striate

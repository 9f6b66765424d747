#include "data/image_files.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "core/own_xxhash.h"
#include "core/parallel.h"
#include "data/format.h"
#include "data/image.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

struct ImageFile {
  fs::path path;
  ImageShape shape{};
  std::uint64_t hash = 0;
  Tensor cached{};  // undefined where the cache was full
};

std::uint64_t hash_of(const Tensor& image) { return XXH3_64bits(image.raw(), image.bytes()); }

// Evaluation resizes the short side to twice the size at most.
void expect_resizable(const fs::path& file, const ImageShape& shape, std::int64_t image_size) {
  const auto [less, more] = std::minmax(shape.height, shape.width);
  if (shape.is_recording() || 2 * image_size * more / less <= kMostOfASide) return;
  throw FileError(file.string(), "is too narrow to be resized to " + std::to_string(image_size) + ": " +
                                     std::to_string(shape.width) + "x" + std::to_string(shape.height) + " pixels");
}

// Nothing in it changes, so threads need no lock.
class ImageFiles : public ImageSource {
 public:
  ImageFiles(std::vector<ImageFile> files, PictureReader read)
      : files_(std::move(files)), read_(std::move(read)), shape_(files_[0].shape) {
    for (const ImageFile& file : files_) {
      if (file.shape != shape_) shape_.height = shape_.width = 0;
      if (file.cached.defined()) cached_bytes_ += static_cast<std::int64_t>(file.cached.bytes());
    }
  }

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  [[nodiscard]] ImageShape shape() const override { return shape_; }
  [[nodiscard]] std::string name(std::int64_t i) const override { return at(i).path.string(); }
  [[nodiscard]] std::uint64_t hash(std::int64_t i) const override { return at(i).hash; }
  [[nodiscard]] std::int64_t cached_bytes() const override { return cached_bytes_; }

  [[nodiscard]] Tensor image(std::int64_t i) const override {
    const ImageFile& file = at(i);
    if (file.cached.defined()) return file.cached;
    const Picture picture = read_(file.path);
    if (picture.shape != file.shape || hash_of(picture.held) != file.hash) {
      throw FileError(file.path.string(), std::string("is another ") +
                                              (file.shape.is_recording() ? "recording" : "picture") +
                                              " than at the start; leave the files alone while they are used");
    }
    return picture.held;
  }

 private:
  [[nodiscard]] const ImageFile& at(std::int64_t i) const { return files_[static_cast<std::size_t>(i)]; }

  std::vector<ImageFile> files_;
  PictureReader read_;
  ImageShape shape_;
  std::int64_t cached_bytes_ = 0;
};

}  // namespace

PictureReader picture_reader(std::int64_t channels, const DataOptions& load) {
  return
      [channels, max_pixels = load.max_pixels](const fs::path& file) { return read_image(file, channels, max_pixels); };
}

ScannedFiles scan_images(const std::vector<fs::path>& files, const PictureReader& read, const DataOptions& load) {
  std::vector<ImageFile> scanned(files.size());
  std::vector<Problems> found(files.size());
  std::atomic<std::int64_t> room = load.cache_bytes;
  ProgressCount progress(load, "read", static_cast<std::int64_t>(files.size()));
  parallel_for(static_cast<std::int64_t>(files.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      attempt(found[i], [&] {
        const Picture picture = read(files[i]);
        expect_resizable(files[i], picture.shape, load.image_size);
        scanned[i] = {.path = files[i], .shape = picture.shape, .hash = hash_of(picture.held)};
        const std::int64_t bytes = picture.shape.bytes();
        if (room.fetch_sub(bytes) >= bytes) {
          scanned[i].cached = picture.held;
        } else {
          room.fetch_add(bytes);
        }
      });
    }
    progress.add(end - begin);
  });
  ScannedFiles result;
  std::vector<ImageFile> valid;
  for (std::size_t i = 0; i < files.size(); ++i) {
    result.problems.insert(result.problems.end(), found[i].begin(), found[i].end());
    if (!found[i].empty()) continue;
    result.places.push_back(static_cast<std::int64_t>(i));
    result.shapes.push_back(scanned[i].shape);
    valid.push_back(std::move(scanned[i]));
  }
  if (!valid.empty()) result.images = std::make_shared<ImageFiles>(std::move(valid), read);
  return result;
}

}  // namespace striate

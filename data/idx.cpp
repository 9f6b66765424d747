#include "data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <utility>

#include "core/file.h"
#include "data/format.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kClasses = 10;
constexpr std::uint64_t kMostOfASide = 16384;

/// The first `count` bytes of what a .gz file holds, or all where there are fewer. What is allocated grows with what is
/// read.
std::vector<std::uint8_t> unpack(const fs::path& file, std::size_t count) {
  std::vector<std::uint8_t> packed = read_bytes(file);
  z_stream stream{};
  constexpr int gzip_window = 15 + 16;
  if (inflateInit2(&stream, gzip_window) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  constexpr std::size_t step = std::size_t{1} << 20U;
  std::vector<std::uint8_t> bytes;
  std::size_t next_in = 0;
  for (int status = Z_OK; status != Z_STREAM_END && bytes.size() < count;) {
    if (stream.avail_in == 0) {
      stream.next_in = packed.data() + next_in;
      stream.avail_in = static_cast<uInt>(std::min(step, packed.size() - next_in));
      next_in += stream.avail_in;
    }
    const std::size_t done = bytes.size();
    bytes.resize(std::min(count, done + step));
    stream.next_out = bytes.data() + done;
    stream.avail_out = static_cast<uInt>(bytes.size() - done);
    status = inflate(&stream, Z_NO_FLUSH);
    bytes.resize(bytes.size() - stream.avail_out);
    if (status != Z_OK && status != Z_STREAM_END) {
      const char* reason = status == Z_BUF_ERROR ? "it ends too early" : stream.msg;
      throw FileError(file.string(), std::string("cannot be unpacked as gzip: ") +
                                         (reason == nullptr ? "out of memory" : reason) + "; fetch the file again");
    }
  }
  return bytes;
}

/// As unpack, of any file.
std::vector<std::uint8_t> read_start(const fs::path& file, std::uint64_t count) {
  if (file.extension() == ".gz") return unpack(file, count);
  InputFile input(file);
  std::vector<std::uint8_t> bytes(std::min(count, input.size()));
  input.read(bytes.data(), bytes.size());
  return bytes;
}

struct Idx {
  std::vector<std::uint64_t> sizes;
  std::vector<std::uint8_t> bytes;  ///< header and values
  std::size_t header;

  [[nodiscard]] const std::uint8_t* values() const { return bytes.data() + header; }
};

/// A file of bytes with `rank` axes: two zeros, 8 for bytes, the rank, then each size in four bytes.
Idx read_idx(const fs::path& file, std::size_t rank) {
  Idx idx{.sizes = {}, .bytes = {}, .header = 4 + 4 * rank};
  const std::vector<std::uint8_t> header = read_start(file, idx.header);
  const auto number = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) value = value << 8U | header[i];
    return value;
  };
  if (header.size() < idx.header || number(0) != (0x800U | rank)) {
    throw FileError(file.string(), "expected an IDX file of bytes with " + std::to_string(rank) +
                                       " axes (it begins with 0 0 8 " + std::to_string(rank) +
                                       "); the file is truncated or of another format");
  }
  std::uint64_t expected = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    idx.sizes.push_back(number(4 + 4 * axis));
    // 2^32 images of 2^14 x 2^14 bytes: no overflow.
    if (idx.sizes[axis] == 0 || (axis > 0 && idx.sizes[axis] > kMostOfASide)) {
      throw FileError(file.string(), "axis " + std::to_string(axis) + " has size " + std::to_string(idx.sizes[axis]) +
                                         ", expected at least 1" +
                                         (axis > 0 ? " and at most " + std::to_string(kMostOfASide) : "") +
                                         "; the file is damaged");
    }
    expected *= idx.sizes[axis];
  }
  idx.bytes = read_start(file, idx.header + expected + 1);
  if (idx.bytes.size() != idx.header + expected) {
    throw FileError(
        file.string(),
        "its header promises " + std::to_string(expected) + " values, the file holds " +
            (idx.bytes.size() > idx.header + expected ? "more" : std::to_string(idx.bytes.size() - idx.header)) +
            "; fetch the file again");
  }
  return idx;
}

/// Every name that a published file goes by; kind: images or labels.
std::vector<std::string> names_of(Split split, const std::string& kind) {
  const std::string start = (split == Split::train ? "train-" : "t10k-") + kind;
  const std::string end = kind == "images" ? "idx3-ubyte" : "idx1-ubyte";
  return {start + "-" + end, start + "." + end, start + "-" + end + ".gz", start + "." + end + ".gz"};
}

fs::path existing(const fs::path& folder, const std::vector<std::string>& names) {
  std::error_code ignored;
  for (const std::string& name : names) {
    if (fs::exists(folder / name, ignored)) return folder / name;
  }
  throw FileError((folder / names[0]).string(),
                  "missing (also with \".\" before idx, and as .gz); fetch the four files of images and labels");
}

/// MNIST or Fashion-MNIST.
struct Published {
  const char* name;
  const char* subfolder;  ///< torchvision's
  Normalization normalization;
  std::vector<std::string> class_names;

  [[nodiscard]] std::optional<fs::path> find(const fs::path& path) const {
    std::vector<std::string> files = names_of(Split::train, "images");
    for (const std::string& file : names_of(Split::test, "images")) files.push_back(file);
    return folder_with(files, path, {"raw", std::string(subfolder) + "/raw"});
  }

  [[nodiscard]] Dataset load(const fs::path& path, Split split) const {
    const fs::path folder = find(path).value_or(path);
    const fs::path image_file = existing(folder, names_of(split, "images"));
    const fs::path label_file = existing(folder, names_of(split, "labels"));
    const Idx labels = read_idx(label_file, 1);
    const Idx images = read_idx(image_file, 3);
    if (labels.sizes[0] != images.sizes[0]) {
      throw FileError(label_file.string(), "has " + std::to_string(labels.sizes[0]) + " labels, but " +
                                               image_file.string() + " has " + std::to_string(images.sizes[0]) +
                                               " images; fetch both files again");
    }
    const auto count = static_cast<std::int64_t>(labels.sizes[0]);
    Dataset dataset{Tensor::empty({count, static_cast<std::int64_t>(images.sizes[1]),
                                   static_cast<std::int64_t>(images.sizes[2]), 1},
                                  DType::u8),
                    Tensor::empty({count}, DType::i64), class_names, normalization};
    std::copy_n(images.values(), dataset.images.numel(), dataset.images.mutable_data<std::uint8_t>());
    std::copy_n(labels.values(), count, dataset.labels.mutable_data<std::int64_t>());
    const auto* most = std::max_element(labels.values(), labels.values() + count);
    if (*most >= kClasses) {
      throw FileError(label_file.string(), "label " + std::to_string(most - labels.values()) + " (counted from 0) is " +
                                               std::to_string(*most) +
                                               ", expected 0 .. 9; the file is damaged or of another data set");
    }
    return dataset;
  }
};

/// Whether the folder, or the one above it where it is called raw, says "fashion".
bool says_fashion(const fs::path& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  if (path.filename() == "raw") path = path.parent_path();
  std::string name = path.filename().string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name.find("fashion") != std::string::npos;
}

DatasetFormat format_for(const Published& published, bool fashion) {
  return {.help = std::string(published.name) +
                  "'s IDX files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
                  "t10k-labels-idx1-ubyte, also as .gz, here, in raw/ or in " +
                  published.subfolder + "/raw/" + (fashion ? "; the name of the folder says \"fashion\"" : ""),
          .recognises =
              [=](const fs::path& path) {
                const std::optional<fs::path> folder = published.find(path);
                return folder && says_fashion(*folder) == fashion;
              },
          .load = [=](const fs::path& path, Split split, const NamedOptions&) { return published.load(path, split); }};
}

}  // namespace

DatasetFormat mnist_format() {
  return format_for({.name = "MNIST",
                     .subfolder = "MNIST",
                     .normalization = {{0.1307}, {0.3081}},
                     .class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
                    false);
}

DatasetFormat fashion_mnist_format() {
  return format_for({.name = "Fashion-MNIST",
                     .subfolder = "FashionMNIST",
                     .normalization = {{0.2860}, {0.3530}},
                     .class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
                                     "Sneaker", "Bag", "Ankle boot"}},
                    true);
}

}  // namespace striate

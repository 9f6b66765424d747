// MNIST's files (http://yann.lecun.com/exdb/mnist/), the formats mnist and fashion-mnist: numbers in a big-endian
// header and then bytes, "IDX".
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "core/file.h"
#include "data/format.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kClasses = 10;
constexpr std::uint64_t kMostOfAnAxis = 16384;

/// The first `count` bytes of a file, of what is in it where it is a gzip file; all where there are fewer. What is
/// allocated grows with what is read.
std::vector<std::uint8_t> read_start(const fs::path& file, std::uint64_t count) {
  static_cast<void>(InputFile(file));  // says why a file cannot be opened
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> input(gzopen(file.c_str(), "rb"), gzclose);
  if (input == nullptr) throw FileError(file.string(), "cannot be opened; try again");
  constexpr std::uint64_t step = 1U << 20U;
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < count) {
    const std::size_t done = bytes.size();
    bytes.resize(std::min(count, done + step));
    const int got = gzread(input.get(), bytes.data() + done, static_cast<unsigned>(bytes.size() - done));
    int status = Z_OK;
    std::string reason = gzerror(input.get(), &status);
    if (reason.starts_with(file.string() + ": ")) reason.erase(0, file.string().size() + 2);
    if (status != Z_OK) throw FileError(file.string(), "cannot be unpacked: " + reason + "; fetch it again");
    bytes.resize(done + static_cast<std::size_t>(got));
    if (got == 0) break;
  }
  return bytes;
}

struct Idx {
  std::string file{};
  std::vector<std::uint64_t> sizes{};
  std::vector<std::uint8_t> values{};
};

/// A file of bytes with `rank` axes. Its header: two zeros, 8 for bytes, the rank, then each size in four bytes.
Idx read_idx(const fs::path& file, std::size_t rank) {
  const std::size_t header_bytes = 4 + 4 * rank;
  const std::vector<std::uint8_t> header = read_start(file, header_bytes);
  const auto number = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) value = value << 8U | header[i];
    return value;
  };
  if (header.size() < header_bytes || number(0) != (0x800U | rank)) {
    throw FileError(file.string(), "expected an IDX file of bytes with " + std::to_string(rank) +
                                       " axes (it begins with 0 0 8 " + std::to_string(rank) +
                                       "); the file is truncated or of another format");
  }
  Idx idx{.file = file.string()};
  std::uint64_t expected = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::uint64_t size = number(4 + 4 * axis);
    // At most 2^32 images of 2^14 x 2^14: the product does not overflow.
    if (size == 0 || (axis > 0 && size > kMostOfAnAxis)) {
      throw FileError(file.string(),
                      "axis " + std::to_string(axis) + " has size " + std::to_string(size) + ", expected at least 1" +
                          (axis > 0 ? " and at most " + std::to_string(kMostOfAnAxis) : "") + "; the file is damaged");
    }
    idx.sizes.push_back(size);
    expected *= size;
  }
  idx.values = read_start(file, header_bytes + expected + 1);
  idx.values.erase(idx.values.begin(), idx.values.begin() + static_cast<std::ptrdiff_t>(header_bytes));
  if (idx.values.size() != expected) {
    throw FileError(file.string(), "its header promises " + std::to_string(expected) + " values, the file holds " +
                                       (idx.values.size() > expected ? "more" : std::to_string(idx.values.size())) +
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

  [[nodiscard]] Dataset read(const ReadRequest& request) const {
    const fs::path folder = find(request.path).value_or(request.path);
    Idx labels;
    Idx images;
    attempt(request.problems, [&] { images = read_idx(existing(folder, names_of(request.split, "images")), 3); });
    attempt(request.problems, [&] { labels = read_idx(existing(folder, names_of(request.split, "labels")), 1); });
    if (images.sizes.empty() || labels.sizes.empty()) return {.class_names = class_names};
    if (labels.sizes[0] != images.sizes[0]) {
      throw FileError(labels.file, "has " + std::to_string(labels.sizes[0]) + " labels, but " + images.file + " has " +
                                       std::to_string(images.sizes[0]) + " images; fetch both files again");
    }
    const auto count = static_cast<std::int64_t>(labels.sizes[0]);
    Dataset dataset{Tensor::empty({count, static_cast<std::int64_t>(images.sizes[1]),
                                   static_cast<std::int64_t>(images.sizes[2]), 1},
                                  DType::u8),
                    Tensor::empty({count}, DType::i64), class_names, normalization};
    std::copy(images.values.begin(), images.values.end(), dataset.images.mutable_data<std::uint8_t>());
    std::copy(labels.values.begin(), labels.values.end(), dataset.labels.mutable_data<std::int64_t>());
    const auto most = std::max_element(labels.values.begin(), labels.values.end());
    if (*most >= kClasses) {
      throw FileError(labels.file, "label " + std::to_string(most - labels.values.begin()) + " (counted from 0) is " +
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
  return lower_case(path.filename().string()).find("fashion") != std::string::npos;
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
          .read = [=](const ReadRequest& request) { return published.read(request); }};
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

// MNIST's and Fashion-MNIST's files: what is published, and what is broken.
#include <gtest/gtest.h>
#include <zlib.h>

#include "data/verify.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;
using Values = std::vector<double>;

std::string idx(const std::vector<std::uint32_t>& sizes, const std::string& values) {
  std::string bytes = {0, 0, 8, static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes.push_back(static_cast<char>(size >> shift));
  }
  return bytes + values;
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  constexpr int gzip_window = 15 + 16;
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  std::string copy = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// Three images of 2x3 with pixels 0 .. 17 and labels 7, 0, 9.
std::string images() {
  std::string values;
  for (char i = 0; i < 18; ++i) values.push_back(i);
  return idx({3, 2, 3}, values);
}
std::string labels() { return idx({3}, {7, 0, 9}); }

void write_mnist(const TempFolder& folder, const std::string& subfolder = ".") {
  folder.write(subfolder + "/train-images-idx3-ubyte", images());
  folder.write(subfolder + "/train-labels-idx1-ubyte", labels());
  folder.write(subfolder + "/t10k-images-idx3-ubyte", idx({1, 2, 3}, "abcdef"));
  folder.write(subfolder + "/t10k-labels-idx1-ubyte", idx({1}, {4}));
}

void expect_mnist(const Dataset& train) {
  ASSERT_EQ(train.images.shape(), (Shape{3, 2, 3, 1}));
  for (std::size_t i = 0; i < 18; ++i) EXPECT_EQ(train.images.span<std::uint8_t>()[i], i);
  EXPECT_EQ(train.labels.to_vector(), (Values{7, 0, 9}));
}

TEST(Mnist, ReadsTheFilesAsPublished) {
  TempFolder folder;
  write_mnist(folder);
  const Dataset train = load_dataset(folder.path(), Split::train);
  expect_mnist(train);
  EXPECT_EQ(train.class_names[9], "9");
  EXPECT_EQ(train.normalization, (Normalization{{0.1307}, {0.3081}}));
  const Dataset test = load_dataset(folder.path(), Split::test);
  EXPECT_EQ(test.images.to_vector(), (Values{'a', 'b', 'c', 'd', 'e', 'f'}));
  EXPECT_EQ(test.labels.to_vector(), (Values{4}));
}

TEST(Mnist, ReadsEveryNameThatTheFilesGoBy) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
      {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
      {"train-images.idx3-ubyte.gz", "train-labels-idx1-ubyte"},
      {"MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"},
      {"raw/train-images-idx3-ubyte.gz", "raw/train-labels-idx1-ubyte.gz"}};
  for (const auto& [image_file, label_file] : names) {
    TempFolder folder;
    folder.write(image_file, image_file.ends_with(".gz") ? gzip(images()) : images());
    folder.write(label_file, label_file.ends_with(".gz") ? gzip(labels()) : labels());
    expect_mnist(load_dataset(folder.path(), Split::train));
  }
}

TEST(Mnist, ReadsALongGzipFile) {
  TempFolder folder;
  std::string values;  // packed and unpacked longer than the steps that it is unpacked in
  std::uint32_t state = 1;
  for (int i = 0; i < 60 * 256 * 256; ++i) {
    state = state * 1664525U + 1013904223U;
    values.push_back(static_cast<char>(state >> 24U));
  }
  folder.write("t10k-images-idx3-ubyte.gz", gzip(idx({60, 256, 256}, values)));
  folder.write("t10k-labels-idx1-ubyte.gz", gzip(idx({60}, std::string(60, 3))));
  const Dataset test = load_dataset(folder.path(), Split::test);
  ASSERT_EQ(test.images.shape(), (Shape{60, 256, 256, 1}));
  EXPECT_TRUE(std::equal(values.begin(), values.end(), test.images.data<std::uint8_t>(),
                         [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }));
}

TEST(FashionMnist, IsToldByTheFoldersNameOrAskedFor) {
  TempFolder folder;
  write_mnist(folder, "my-Fashion");
  EXPECT_EQ(find_dataset(folder.path() / "my-Fashion"), "fashion-mnist");
  EXPECT_EQ(find_dataset(folder.path() / "my-Fashion/"), "fashion-mnist");
  const Dataset fashion = load_dataset(folder.path() / "my-Fashion", Split::train);
  EXPECT_EQ(fashion.class_names[9], "Ankle boot");
  EXPECT_EQ(fashion.normalization, (Normalization{{0.2860}, {0.3530}}));

  write_mnist(folder, "fashion-project/digits");
  EXPECT_EQ(find_dataset(folder.path() / "fashion-project/digits"), "mnist");
  EXPECT_EQ(load_dataset(folder.path() / "fashion-project/digits", Split::train, "fashion-mnist").class_names[0],
            "T-shirt/top");

  write_mnist(folder, "FashionMNIST/raw");
  EXPECT_EQ(find_dataset(folder.path()), "fashion-mnist");
  write_mnist(folder, "MNIST/raw");
  EXPECT_EQ(find_dataset(folder.path()), "mnist");
  EXPECT_EQ(load_dataset(folder.path(), Split::test, "fashion-mnist").class_names[0], "T-shirt/top");
}

TEST(Mnist, NamesWhatIsMissing) {
  TempFolder folder;
  folder.write("train-images-idx3-ubyte", images());
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train); },
                          {"train-labels-idx1-ubyte", "missing", "fetch"});
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::test); }, {"t10k-images-idx3-ubyte", "missing"});
  expect_error<std::invalid_argument>(
      [&] {
        folder.write("train-labels-idx1-ubyte", labels());
        load_dataset(folder.path(), Split::train, "mnist:coarse=true");
      },
      {"mnist has no option coarse"});
}

TEST(Mnist, RefusesImagesThatAreNoIdxFile) {
  TempFolder folder;
  write_mnist(folder);
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    for (const char* end : {"", ".gz"}) {
      TempFolder other;
      const auto file = other.write(std::string("train-images-idx3-ubyte") + end, *end != 0 ? gzip(bytes) : bytes);
      other.write("train-labels-idx1-ubyte", labels());
      std::vector<std::string> expected = parts;
      expected.push_back(file.string());
      expect_error<FileError>([&] { load_dataset(other.path(), Split::train); }, expected);
    }
  };
  refused("", {"3 axes", "truncated or of another format"});
  refused(images().substr(0, 15), {"3 axes"});
  refused(labels() + images(), {"3 axes"});
  refused(std::string("\0\0\x0d\3", 4) + images().substr(4), {"file of bytes"});
  refused(images().substr(0, 33), {"promises 18 values", "holds 17", "fetch"});
  refused(images().substr(0, 16), {"promises 18 values", "holds 0"});
  refused(images() + "x", {"promises 18 values", "holds more"});
  refused(idx({0, 2, 3}, ""), {"axis 0 has size 0"});
  refused(idx({3, 0, 3}, ""), {"axis 1 has size 0"});
  refused(idx({3, 2, 16385}, "xx"), {"axis 2 has size 16385", "at most 16384"});
  // Nothing of this size is allocated: it would be 2^60 bytes.
  refused(idx({0xffffffff, 16384, 16384}, "few"), {"promises 1152921504338411520 values", "holds 3"});
}

TEST(Mnist, RefusesLabelsThatDoNotFit) {
  TempFolder folder;
  write_mnist(folder);
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    folder.write("train-labels-idx1-ubyte", bytes);
    expect_error<FileError>([&] { load_dataset(folder.path(), Split::train); }, parts);
  };
  refused(idx({2}, {1, 2}), {"train-labels", "has 2 labels", "train-images", "has 3 images"});
  refused(idx({3}, {1, 10, 2}), {"train-labels", "label 1 (counted from 0) is 10", "0 .. 9"});
  refused(idx({3}, {1, 2, static_cast<char>(255)}), {"is 255"});
  refused(images(), {"train-labels", "1 axes"});
  refused(idx({0xffffffff}, "123"), {"promises 4294967295 values", "holds 3"});
}

TEST(Mnist, RefusesDamagedGzipFiles) {
  TempFolder folder;
  folder.write("train-labels-idx1-ubyte", labels());
  const std::string good = gzip(images());
  const auto refused = [&](const std::string& bytes, const std::string& part) {
    folder.write("train-images-idx3-ubyte.gz", bytes);
    expect_error<FileError>([&] { load_dataset(folder.path(), Split::train); },
                            {"train-images-idx3-ubyte.gz: cannot be unpacked: " + part, "fetch"});
  };
  for (std::size_t size = 18; size < good.size(); ++size) refused(good.substr(0, size), "unexpected end of file");
  std::string damaged = good;
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);  // of the checksum
  refused(damaged, "incorrect data check");
  for (std::size_t at = 0; at < good.size(); ++at) {  // none crashes; a few bytes of the header mean nothing
    damaged = good;
    damaged[at] = static_cast<char>(~damaged[at]);
    folder.write("train-images-idx3-ubyte.gz", damaged);
    try {
      expect_mnist(load_dataset(folder.path(), Split::train));
    } catch (const FileError&) {
    }
  }
}

TEST(Mnist, IsVerified) {
  TempFolder folder;
  write_mnist(folder);
  const DatasetReport report = verify_dataset(folder.path());
  EXPECT_EQ(report.format, "mnist");
  EXPECT_EQ(report.train.images, 3);
  EXPECT_EQ(report.train.image_shape, (ImageShape{2, 3, 1}));
  EXPECT_EQ(report.train.class_counts, (std::vector<std::int64_t>{1, 0, 0, 0, 0, 0, 0, 1, 0, 1}));
  EXPECT_EQ(report.problems.size(), 7U + 9U);
  EXPECT_EQ(report.problems[0], folder.path().string() + ": no image of class 1 (1) in train");
  folder.write("train-images-idx3-ubyte", "broken");
  std::filesystem::remove(folder.path() / "t10k-labels-idx1-ubyte");
  const DatasetReport broken = verify_dataset(folder.path());
  ASSERT_EQ(broken.problems.size(), 2U);
  EXPECT_NE(broken.problems[0].find("train-images-idx3-ubyte"), std::string::npos);
  EXPECT_NE(broken.problems[1].find("t10k-labels-idx1-ubyte"), std::string::npos);
  folder.write("train-labels-idx1-ubyte", "broken");
  EXPECT_EQ(verify_dataset(folder.path()).problems.size(), 3U);
}

}  // namespace
}  // namespace striate

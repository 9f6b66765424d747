#include "core/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/files.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::FileSizeLimit;
using testing_support::message_of;
using testing_support::names_in;
using testing_support::read_text;
using testing_support::TempFolder;
using testing_support::write_text;

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_TRUE(a.defined() && b.defined());
  EXPECT_EQ(a.dtype(), b.dtype());
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0);
}

TensorFile sample() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  TensorFile file;
  file.tensors.emplace_back("bytes", Tensor::from<std::uint8_t>({3}, {1, 2, 255}));
  file.tensors.emplace_back("small.weight", Tensor::from<float>({2, 3}, {1, -2, 0.5F, nan, -0.0F, 1e-40F}));
  file.tensors.emplace_back("bf16", Tensor::from<bfloat16>({2}, {bfloat16(1.5F), bfloat16(-3.0F)}));
  file.tensors.emplace_back("f16", Tensor::from<float16>({3}, {float16(65504.0F), float16(-0x1p-24F), float16(nan)}));
  file.tensors.emplace_back("scalar", Tensor::from<std::int64_t>({}, {-7}));
  file.tensors.emplace_back("empty", Tensor::empty({4, 0, 2}, DType::f32));
  file.tensors.emplace_back("double", Tensor::from<double>({1, 1, 2}, {1e300, 0.1}));
  file.metadata = {{"format", "pt"}, {"quote \" and \n line", "ünï\\code \x01"}, {"empty", ""}};
  return file;
}

TEST(Safetensors, RoundTripKeepsEveryBit) {
  const TempFolder folder;
  const TensorFile written = sample();
  write_safetensors(folder.path() / "a", written);
  const TensorFile read = read_safetensors(folder.path() / "a");
  EXPECT_EQ(read.metadata, written.metadata);
  EXPECT_EQ(read_safetensors_metadata(folder.path() / "a"), written.metadata);
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (const auto& [name, tensor] : written.tensors) {
    SCOPED_TRACE(name);
    expect_same(read.find(name), tensor);
  }
  EXPECT_FALSE(read.find("none").defined());
}

TEST(Safetensors, FileIsAlignedOrderedAndAFunctionOfItsContents) {
  const TempFolder folder;
  TensorFile file;
  file.tensors.emplace_back("b", Tensor::from<float>({1}, {1}));
  file.tensors.emplace_back("u", Tensor::from<std::uint8_t>({1}, {7}));
  file.tensors.emplace_back("a", Tensor::from<float>({}, {2}));
  file.tensors.emplace_back("n", Tensor::from<std::int64_t>({1}, {3}));
  file.tensors.emplace_back("h", Tensor::from<float16>({2}, {float16(1.0F), float16(-2.0F)}));
  file.metadata = {{"model", "x"}};
  write_safetensors(folder.path() / "a", file);
  const std::string header =
      R"({"__metadata__":{"checksum":"xxh3:0000000000000000:0000000000000000","model":"x"},"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"a":{"dtype":"F32","shape":[],"data_offsets":[12,16]},)"
      R"("h":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},"u":{"dtype":"U8","shape":[1],"data_offsets":[20,21]}})";
  const std::size_t padded = (header.size() + 7) / 8 * 8;
  std::string expected(8, '\0');
  std::memcpy(expected.data(), &padded, 8);
  expected += header + std::string(padded - header.size(), ' ');
  expected += std::string("\3\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\x3c\0\xc0\7", 21);
  std::string text = read_text(folder.path() / "a");
  text.replace(text.find("xxh3:"), 5 + 16 + 1 + 16, "xxh3:0000000000000000:0000000000000000");
  EXPECT_EQ(text, expected);
}

// Whatever is flipped is noticed; what else changes a file keeps its checksum.
TEST(Safetensors, DamageIsNoticed) {
  const TempFolder folder;
  const auto path = folder.path() / "a";
  TensorFile file;
  file.tensors.emplace_back("b", Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  file.tensors.emplace_back("a", Tensor::from<std::uint8_t>({3}, {1, 2, 3}));
  file.metadata = {{"step", "17"}};
  write_safetensors(path, file);
  const std::string bytes = read_text(path);
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 9) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    write_text(path, damaged);
    if (damaged.find("\"xxh3:") == std::string::npos || damaged.find("\"checksum\"") == std::string::npos) continue;
    const bool blank = bytes[bit / 8] == ' ' && damaged.find_first_of("\t\n\r", 8) == bit / 8;
    if (blank) continue;
    EXPECT_THROW(read_safetensors(path), FileError) << "bit " << bit % 8 << " of byte " << bit / 8;
  }
  std::string damaged = bytes;
  damaged.back() ^= 1;
  write_text(path, damaged);
  const std::string message = message_of<FileError>([&] { read_safetensors(path); });
  EXPECT_NE(message.find("is damaged"), std::string::npos) << message;
  EXPECT_EQ(read_safetensors_metadata(path).at("step"), "17") << "a header has a checksum of its own";
  damaged = bytes;
  damaged[damaged.find("17") + 1] = '8';
  write_text(path, damaged);
  EXPECT_EQ(message_of<FileError>([&] { read_safetensors_metadata(path); }), message);
}

// A program that copies a file may order it otherwise.
TEST(Safetensors, ChecksumsKnowNoOrder) {
  const TempFolder folder;
  const auto checksum = [&](const TensorFile& file) {
    write_safetensors(folder.path() / "a", file);
    const std::string text = read_text(folder.path() / "a");
    return text.substr(text.find("xxh3:"), 5 + 16 + 1 + 16);
  };
  TensorFile file = sample();
  const std::string before = checksum(file);
  std::reverse(file.tensors.begin(), file.tensors.end());
  EXPECT_EQ(checksum(file), before);
  std::swap(file.tensors[0].first, file.tensors[1].first);
  EXPECT_NE(checksum(file), before);
}

TEST(Safetensors, FilesOfTorchSaveGetTheRemedy) {
  const TempFolder folder;
  for (const std::string& begin :
       {std::string("PK\x03\x04\0\0\x08\x08", 8), std::string("\x80\x02\x8a\nl\xfc\x9c\x46", 8)}) {
    write_text(folder.path() / "w.pth", begin + std::string(100, 'x'));
    const std::string message = message_of<FileError>([&] { read_safetensors(folder.path() / "w.pth"); });
    for (const char* part : {"torch.save", "state = torch.load('", "w.pth'", "safetensors.torch.save_file("}) {
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }
}

TEST(Safetensors, NoTensorsAtAll) {
  const TempFolder folder;
  write_safetensors(folder.path() / "a", {});
  EXPECT_TRUE(read_safetensors(folder.path() / "a").tensors.empty());
}

TEST(Safetensors, ReadsAnyOrderOfKeysAndTensors) {
  const TempFolder folder;
  const std::string header =
      R"({"late" : {"data_offsets":[1,3],"shape":[2],"dtype":"U8"},"__metadata__":{"k":"v"},)"
      R"("early":{"shape":[1,1],"dtype":"U8","data_offsets":[0,1]}, "nothing":{"dtype":"F64","shape":[0],"data_offsets":[1,1]}})";
  write_text(folder.path() / "a",
             std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "abc");
  const TensorFile file = read_safetensors(folder.path() / "a");
  ASSERT_EQ(file.tensors.size(), 3U);
  EXPECT_EQ(file.tensors[0].first, "early");
  EXPECT_EQ(file.tensors[1].first, "nothing");
  EXPECT_EQ(file.tensors[2].first, "late");
  EXPECT_EQ(file.find("late").to_vector(), (std::vector<double>{'b', 'c'}));
  EXPECT_EQ(file.metadata.at("k"), "v");
}

TEST(Safetensors, RefusesToWriteWhatCannotBeRead) {
  const TempFolder folder;
  const Tensor one = Tensor::zeros({1});
  const auto message = [&](const TensorFile& file) {
    return message_of<std::invalid_argument>([&] { write_safetensors(folder.path() / "a", file); });
  };
  EXPECT_NE(message({{{"w", one}, {"w", one}}, {}}).find("'w' twice"), std::string::npos);
  EXPECT_NE(message({{{"__metadata__", one}}, {}}).find("reserves"), std::string::npos);
  EXPECT_NE(message({{{"w", Tensor()}}, {}}).find("got none for 'w'"), std::string::npos);
  EXPECT_NE(message({{{"\xff", one}}, {}}).find("UTF-8"), std::string::npos);
  EXPECT_NE(message({{}, {{"k", "\xc3"}}}).find("UTF-8"), std::string::npos);
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(Safetensors, AFullDiskKeepsTheOldFile) {
  const TempFolder folder;
  const auto path = folder.path() / "weights";
  write_safetensors(path, sample());
  const std::string before = read_text(path);
  TensorFile large;
  large.tensors.emplace_back("w", Tensor::zeros({100, 100}));
  std::string message;
  {
    const FileSizeLimit limit(8192);
    message = message_of<FileError>([&] { write_safetensors(path, large); });
  }
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  EXPECT_NE(message.find("File too large"), std::string::npos) << message;
  EXPECT_EQ(read_text(path), before);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"weights"});
}

}  // namespace
}  // namespace striate

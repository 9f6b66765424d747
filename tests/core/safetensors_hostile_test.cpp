// Files made to harm: each must be refused with its path, what is wrong, and what to do.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/error.h"
#include "core/random.h"
#include "core/safetensors.h"
#include "tests/support/errors.h"
#include "tests/support/files.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::message_of;
using testing_support::read_text;
using testing_support::TempFolder;
using testing_support::write_text;

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

std::string with_header(const std::string& header, const std::string& data = "") {
  return with_length(header.size(), header + data);
}

/// A header of one tensor "w".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

/// A header of two U8 tensors with these shapes and offsets.
std::string two(const std::string& shape_a, const std::string& a, const std::string& shape_b, const std::string& b) {
  return R"({"a":{"dtype":"U8","shape":)" + shape_a + R"(,"data_offsets":)" + a + R"(},"b":{"dtype":"U8","shape":)" +
         shape_b + R"(,"data_offsets":)" + b + "}}";
}

struct Hostile {
  const char* name;
  std::string bytes;
  const char* problem;  ///< part of the message
};

std::string repeated(const std::string& text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

std::vector<Hostile> hostile_files() {
  const std::string f32 = R"("F32")";
  const std::string u8 = R"("U8")";
  const std::string max = "18446744073709551615";
  const std::string huge = "9223372036854775807";
  return {
      {"Empty", "", "has 0 bytes, too few"},
      {"SevenBytes", "1234567", "has 7 bytes, too few"},
      {"HeaderPastTheEnd", with_length(100, "{}"), "claims 100 bytes, but the file has 10"},
      {"HeaderByOneTooLong", with_length(3, "{}"), "claims 3 bytes"},
      {"HeaderLengthOverflows", with_length(~std::uint64_t{0}, "{}"), "claims 18446744073709551615 bytes"},
      {"HeaderLengthOverflowsWithTheLength", with_length(~std::uint64_t{0} - 7, "{}"), "claims 18446744073709551608"},
      {"HeaderEmpty", with_header(""), "not a JSON object"},
      {"HeaderCutOff", with_header(R"({"w":{"dtype":"F32")"), "not valid UTF-8 JSON"},
      {"HeaderArray", with_header("[]"), "not a JSON object"},
      {"HeaderNumber", with_header("17"), "not a JSON object"},
      {"HeaderNull", with_header("null"), "not a JSON object"},
      {"HeaderTwoObjects", with_header("{}{}"), "not valid UTF-8 JSON"},
      {"HeaderComment", with_header("{/**/}"), "not valid UTF-8 JSON"},
      {"HeaderByteOrderMark", with_header("\xef\xbb\xbf{}"), "not a JSON object"},
      {"HeaderZeroByte", with_header(std::string("{}\0{", 4)), "holds a zero byte"},
      {"HeaderNotUtf8", with_header("{\"\xff\xfe\":{}}"), "not valid UTF-8 JSON"},
      {"HeaderOverlongUtf8", with_header("{\"\xc0\xaf\":{}}"), "not valid UTF-8 JSON"},
      {"HeaderLoneSurrogate", with_header(R"({"\ud800":{}})"), "not valid UTF-8 JSON"},
      {"NestedArrays", with_header("{\"w\":" + repeated("[", 1'000'000)), "has an array where the format has none"},
      {"NestedObjects", with_header(repeated(R"({"a":)", 1'000'000)), "unknown field 'a'"},
      {"NestedShape", with_header(one(f32, repeated("[", 100'000), "[0,4]")), "has an array where"},
      {"NestedMetadata", with_header(R"({"__metadata__":{"a":{"b":"c"}}})"), "metadata has an object"},
      {"MetadataNotAnObject", with_header(R"({"__metadata__":["a"]})"), "metadata has an array"},
      {"MetadataNotText", with_header(R"({"__metadata__":{"a":1}})"), "metadata 'a' is '1', not text"},
      {"MetadataTwice", with_header(R"({"__metadata__":{},"__metadata__":{}})"), "'__metadata__' twice"},
      {"MetadataKeyTwice", with_header(R"({"__metadata__":{"a":"1","a":"2"}})"), "metadata has 'a' twice"},
      {"TensorTwice",
       with_header(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                   R"("w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
       "the header has 'w' twice"},
      {"TensorNotAnObject", with_header(R"({"w":"x"})"), "tensor 'w' is '\"x\"', not an object"},
      {"TensorNull", with_header(R"({"w":null})"), "tensor 'w' is 'null', not an object"},
      {"FieldMissing", with_header(R"({"w":{"dtype":"F32","shape":[1]}})", "1234"), "has no data_offsets"},
      {"FieldTwice", with_header(R"({"w":{"dtype":"F32","dtype":"F64"}})"), "has 'dtype' twice"},
      {"FieldUnknown", with_header(R"({"w":{"stride":[1]}})"), "unknown field 'stride'"},
      {"DtypeUnknown", with_header(one(R"("F8_E4M3")", "[4]", "[0,4]"), "1234"), "dtype 'F8_E4M3', which is not supp"},
      {"DtypeNumber", with_header(one("4", "[4]", "[0,4]"), "1234"), "tensor 'w' has the dtype '4'"},
      {"DtypeArray", with_header(one("[]", "[4]", "[0,4]"), "1234"), "tensor 'w' has the dtype '[]'"},
      {"ShapeText", with_header(one(f32, R"("1")", "[0,4]"), "1234"), "tensor 'w' has the shape '\"1\"', which"},
      {"ShapeBoolean", with_header(one(f32, "[true]", "[0,4]"), "1234"), "shape '[true]', which are not counts"},
      {"ShapeNegative", with_header(one(f32, "[-1]", "[0,4]"), "1234"), "shape '[-1]', which"},
      {"ShapeNegativePair", with_header(one(f32, "[-1,-1]", "[0,4]"), "1234"), "shape '[-1,-1]'"},
      {"ShapeFraction", with_header(one(f32, "[1.0]", "[0,4]"), "1234"), "shape '[1.0]', which"},
      {"ShapeNull", with_header(one(f32, "null", "[0,4]"), "1234"), "not counts of 63 bits"},
      {"ShapeBeyond64Bits", with_header(one(f32, "[18446744073709551617]", "[0,4]"), "1234"), "not counts of 63 bits"},
      {"ShapeBeyondDouble", with_header(one(f32, "[1e999]", "[0,4]"), "1234"), "a number is too large"},
      {"ShapeUnsigned", with_header(one(f32, "[" + max + "]", "[0,4]"), "1234"), "not counts of 63 bits"},
      {"ShapeOverflowsToNothing", with_header(one(f32, "[4294967296,4294967296]", "[0,0]")), "overflows 64 bits"},
      {"ShapeOverflowsToOne", with_header(one(u8, "[" + huge + "," + huge + "]", "[0,1]"), "1"), "overflows 64 bits"},
      {"ShapeOverflowsByDtype", with_header(one(R"("F64")", "[2305843009213693952]", "[0,0]")), "overflows 64 bits"},
      {"ShapeOverflowBesideZero", with_header(one(u8, "[" + huge + ",0," + huge + "]", "[0,0]")), "overflows 64 bits"},
      {"ShapeHuge", with_header(one(u8, "[1000000000000]", "[0,1000000000000]"), "1234"), "the file is truncated"},
      {"RankHuge", with_header(one(u8, "[" + repeated("1,", 64) + "1]", "[0,1]"), "1"), "more than 64 axes"},
      {"SizeTooSmall", with_header(one(f32, "[2]", "[0,4]"), "1234"), "(2) and dtype F32 needs 8 bytes and has 4"},
      {"SizeTooLarge", with_header(one(u8, "[2]", "[0,4]"), "1234"), "(2) and dtype U8 needs 2 bytes and has 4"},
      {"ScalarWithoutBytes", with_header(one(f32, "[]", "[0,0]")), "() and dtype F32 needs 4 bytes and has 0"},
      {"EndPastTheEnd", with_header(one(f32, "[2]", "[0,8]"), "1234"), "[0, 8) of 4: the file is truncated"},
      {"EndOverflows", with_header(one(f32, "[1]", "[0," + max + "]"), "1234"), "not counts of 63 bits"},
      {"EndBeyond64Bits", with_header(one(f32, "[1]", "[0,18446744073709551620]"), "1234"), "not counts of 63 bits"},
      {"BeginAfterEnd", with_header(one(f32, "[1]", "[4,0]"), "1234"), "ends before it begins: [4, 0)"},
      {"BeginOverflows", with_header(one(f32, "[1]", "[" + max + ",3]"), "1234"), "not counts of 63 bits"},
      {"OffsetNegative", with_header(one(f32, "[1]", "[-4,0]"), "1234"), "data_offsets '[-4,0]', which"},
      {"OneOffset", with_header(one(f32, "[1]", "[0]"), "1234"), "needs two data_offsets"},
      {"ThreeOffsets", with_header(one(f32, "[1]", "[0,4,4]"), "1234"), "needs two data_offsets"},
      {"Overlap", with_header(two("[3]", "[0,3]", "[2]", "[2,4]"), "1234"), "'b' begins at byte 2, inside"},
      {"SameBytes", with_header(two("[4]", "[0,4]", "[4]", "[0,4]"), "1234"), "'b' begins at byte 0, inside"},
      {"Hole", with_header(two("[1]", "[0,1]", "[1]", "[3,4]"), "1234"), "'b' begins at byte 3, which leaves a gap"},
      {"HoleAtTheStart", with_header(one(u8, "[1]", "[3,4]"), "1234"), "begins at byte 3, which leaves a gap"},
      {"TrailingBytes", with_header(one(u8, "[1]", "[0,1]"), "1234"), "3 bytes follow the last tensor"},
      {"DataWithoutTensors", with_header("{}", "1234"), "4 bytes follow the last tensor"},
  };
}

TEST(HostileSafetensors, EachIsRefusedWithAReason) {
  const TempFolder folder;
  const auto path = folder.path() / "file.safetensors";
  for (const Hostile& hostile : hostile_files()) {
    SCOPED_TRACE(hostile.name);
    write_text(path, hostile.bytes);
    release_cached_blocks();
    const std::size_t cached = allocator_stats().cached_bytes;
    const std::string message = message_of<FileError>([&] { read_safetensors(path); });
    EXPECT_EQ(message.rfind(path.string() + ": ", 0), 0U) << message;
    EXPECT_NE(message.find(hostile.problem), std::string::npos) << message;
    const bool says_what_to_do = message.find("fetch or write it anew") != std::string::npos ||
                                 message.find("convert it to") != std::string::npos;
    EXPECT_TRUE(says_what_to_do) << message;
    EXPECT_LT(message.size(), 600U);
    EXPECT_EQ(allocator_stats().cached_bytes, cached) << "memory was taken before the header was checked";
    EXPECT_EQ(message_of<FileError>([&] { read_safetensors_metadata(path); }), message);
  }
}

TEST(HostileSafetensors, NamesAreFitForAMessage) {
  const TempFolder folder;
  const std::string name = "\\u001b[2J\\u0000" + repeated("\xc3\xa4", 100'000);
  write_text(folder.path() / "a", with_header("{\"" + name + "\":7}"));
  const std::string message = message_of<FileError>([&] { read_safetensors(folder.path() / "a"); });
  EXPECT_NE(message.find("'\\x1b[2J\\x00\xc3\xa4"), std::string::npos) << message;
  EXPECT_NE(message.find("\xc3\xa4...'"), std::string::npos) << message;
  EXPECT_LT(message.size(), 600U);
}

TEST(HostileSafetensors, NoFileAtAll) {
  const TempFolder folder;
  const auto message = [](const std::filesystem::path& path) {
    return message_of<FileError>([&] { read_safetensors(path); });
  };
  EXPECT_NE(message(folder.path()).find("is a directory; give the path of a file"), std::string::npos);
  EXPECT_NE(message(folder.path() / "none").find("No such file or directory; check the path"), std::string::npos);
}

// Whatever is done to a good file, the outcome is a FileError or tensors that fit into the file.
TEST(HostileSafetensors, DamagedFilesNeverDoMore) {
  const TempFolder folder;
  TensorFile good;
  good.tensors.emplace_back("w", Tensor::zeros({3, 2}));
  good.tensors.emplace_back("label", Tensor::zeros({2}, DType::i64));
  good.metadata = {{"k", "v"}};
  const auto path = folder.path() / "a";
  write_safetensors(path, good);
  const std::string bytes = read_text(path);
  RandomSequence random(random_stream(1, RandomUse::test));
  const std::string spice = "{}[]\",:0129-eF\\u\xff";
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string damaged = bytes;
    for (std::int64_t n = 1 + random.below(3); n > 0; --n) {
      const auto at = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(damaged.size())));
      const auto letter = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(spice.size())));
      damaged[at] = spice[letter];
    }
    if (random.below(4) == 0) {
      damaged.resize(static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size()))));
    }
    write_text(path, damaged);
    try {
      std::size_t total = 0;
      for (const auto& [name, tensor] : read_safetensors(path).tensors) total += tensor.bytes();
      EXPECT_LT(total, damaged.size());
    } catch (const FileError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_LT(refused, 1000);
}

TEST(HostileSafetensors, EveryTruncationIsRefused) {
  const TempFolder folder;
  TensorFile good;
  good.tensors.emplace_back("w", Tensor::zeros({3, 2}));
  write_safetensors(folder.path() / "a", good);
  const std::string bytes = read_text(folder.path() / "a");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    write_text(folder.path() / "a", bytes.substr(0, size));
    EXPECT_THROW(read_safetensors(folder.path() / "a"), FileError) << size;
  }
}

}  // namespace
}  // namespace striate

// What protoc --encode writes of the same message; the values are those of the encoding's documentation where it has
// some.

#include "core/protobuf.h"

#include <gtest/gtest.h>

#include <array>

namespace striate {
namespace {

using namespace std::string_literals;

TEST(Protobuf, EncodesNumbers) {
  EXPECT_EQ(ProtoMessage().add_int(1, 150).bytes(), "\x08\x96\x01");
  EXPECT_EQ(ProtoMessage().add_int(1, 0).bytes(), "\x08\0"s);
  EXPECT_EQ(ProtoMessage().add_int(1, -2).bytes(), "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  EXPECT_EQ(ProtoMessage().add_double(2, 1.0).bytes(), "\x11\0\0\0\0\0\0\xf0\x3f"s);
  EXPECT_EQ(ProtoMessage().add_float(16, -0.5F).bytes(), "\x85\x01\0\0\0\xbf"s);
}

TEST(Protobuf, EncodesTextMessagesAndPackedNumbers) {
  EXPECT_EQ(ProtoMessage().add_bytes(2, "testing").bytes(), "\x12\x07testing");
  EXPECT_EQ(ProtoMessage().add(3, ProtoMessage().add_int(1, 150)).bytes(), "\x1a\x03\x08\x96\x01");
  EXPECT_EQ(ProtoMessage().add_doubles(6, std::array{1.0, 0.0}).bytes(),
            "\x32\x10\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\0"s);
  EXPECT_EQ(ProtoMessage().add_bytes(2, std::string(300, 'x')).bytes(), "\x12\xac\x02" + std::string(300, 'x'));
}

}  // namespace
}  // namespace striate

#include "core/printable.h"

#include <gtest/gtest.h>

namespace striate {
namespace {

TEST(Printable, LeavesTextAndEscapesTheRest) {
  EXPECT_EQ(printable("features.0.weight, Caf\xc3\xa9, \xe7\x8c\xab \xf0\x9f\x90\xb1"),
            "features.0.weight, Caf\xc3\xa9, \xe7\x8c\xab \xf0\x9f\x90\xb1");
  EXPECT_EQ(printable("\x1b[2J\r\n\x7f"), "\\x1b[2J\\x0d\\x0a\\x7f");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J")
      << "a C1 control";
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "gpj"),
            "\\xe2\\x80\\xaegpj")
      << "right to left";
  EXPECT_EQ(printable("caf\xe9"), "caf\\xe9");
}

TEST(Printable, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("\xc3\xa4\xc3\xa4", 1), "\xc3\xa4...");
}

TEST(Printable, KnowsUtf8) {
  for (const char* text : {"", "a", "\xc3\xa9", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"}) EXPECT_TRUE(is_utf8(text)) << text;
  for (const char* text :
       {"\xe9", "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
    EXPECT_FALSE(is_utf8(text)) << printable(text);
  }
}

}  // namespace
}  // namespace striate

#include "core/text_table.h"

#include <gtest/gtest.h>

namespace striate {
namespace {

TEST(TextTable, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(text_table({{"#", "name", "size"}, {"10", "a", "1"}, {"", "", ""}}, "rlr"),
            " #  name  size\n"
            "10  a        1\n"
            "\n");
  EXPECT_EQ(text_table({}, "l"), "");
}

}  // namespace
}  // namespace striate

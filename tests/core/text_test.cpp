#include "core/text.h"

#include <gtest/gtest.h>

namespace striate {
namespace {

TEST(NearestName, FindsTheSmallestEditDistance) {
  const std::vector<std::string> flags = {"--epochs", "--batch-size", "--lr", "--label-smoothing"};
  EXPECT_EQ(nearest_name("--batchsize", flags), "--batch-size");
  EXPECT_EQ(nearest_name("--bacth-size", flags), "--batch-size");
  EXPECT_EQ(nearest_name("--epoch", flags), "--epochs");
  EXPECT_EQ(nearest_name("--learning-rate", {"--lr", "--learning-rates"}), "--learning-rates");
  EXPECT_EQ(nearest_name("kitten", {"kit", "sitting", "mittens"}), "mittens");
}

TEST(NearestName, TakesTheFirstOfSeveralAndManagesEmptyNames) {
  EXPECT_EQ(nearest_name("vgg12", {"vgg11", "vgg13", "vgg16"}), "vgg11");
  EXPECT_EQ(nearest_name("", {"abc", "ab"}), "ab");
  EXPECT_EQ(nearest_name("abc", {""}), "");
  EXPECT_EQ(nearest_name("abc", {}), "");
}

TEST(TextTable, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(text_table({{"#", "name", "size"}, {"10", "a", "1"}, {"", "", ""}}, "rlr"),
            " #  name  size\n"
            "10  a        1\n"
            "\n");
  EXPECT_EQ(text_table({{"é", "Käfer"}, {"猫", "a"}, {"ab", "b"}}, "rr"),
            " é  Käfer\n"
            " 猫      a\n"
            "ab      b\n");
  EXPECT_EQ(text_table({}, "l"), "");
}

}  // namespace
}  // namespace striate

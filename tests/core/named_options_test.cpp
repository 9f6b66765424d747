#include "core/named_options.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::message_of;

TEST(NamedOptions, ReadsTextAndWritesIt) {
  const NamedOptions options = NamedOptions::parse("depth=20,rate=0.1,deep,name=a=b");
  EXPECT_EQ(options.integer("depth", 1), 20);
  EXPECT_EQ(options.real("rate", 1), 0.1);
  EXPECT_TRUE(options.flag("deep", false));
  EXPECT_EQ(options.text("name", ""), "a=b");
  EXPECT_EQ(options.integer("width", 7), 7);
  EXPECT_EQ(to_string(options), "depth=20,rate=0.1,deep=true,name=a=b");
  EXPECT_TRUE(NamedOptions::parse("").empty());
}

TEST(NamedOptions, NumbersKeepTheirValue) {
  const NamedOptions options = {{"third", 1.0 / 3}, {"count", 12}, {"on", true}};
  EXPECT_EQ(NamedOptions::parse(to_string(options)).real("third", 0), 1.0 / 3);
  EXPECT_EQ(to_string(NamedOptions{{"count", 12}, {"on", true}}), "count=12,on=true");
}

TEST(NamedOptions, RefusesWhatIsNoOption) {
  for (const char* text : {"=1", "a=1,", ",a", "a=1,a=2", ","}) {
    EXPECT_THROW(NamedOptions::parse(text), std::invalid_argument) << text;
  }
  const NamedOptions options = {{"depth", "2x"}, {"deep", "yes"}};
  EXPECT_EQ(message_of<std::invalid_argument>([&] { (void)options.integer("depth", 1); }),
            "option depth must be a whole number, got \"2x\"");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { (void)options.flag("deep", false); }),
            "option deep must be true or false, got \"yes\"");
}

TEST(NamedOptions, WhatNobodyReadIsAnError) {
  const NamedOptions options = {{"depht", 20}};
  EXPECT_EQ(message_of<std::invalid_argument>([&] { options.expect_all_read("mynet"); }),
            "mynet has no option depht; it has none");
  const NamedOptions copy = options;
  EXPECT_EQ(copy.integer("depth", 8), 8);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { options.expect_all_read("mynet"); }),
            "mynet has no option depht; did you mean depth? Its options: depth");
  EXPECT_EQ(copy.integer("depht", 8), 20);
  options.expect_all_read("mynet");
}

TEST(NamedOptions, GivenOnesWinOverDefaults) {
  const NamedOptions defaults = {{"depth", 20}, {"width", 2}};
  EXPECT_EQ(to_string(NamedOptions{{"width", 3}}.with_defaults(defaults)), "depth=20,width=3");
}

TEST(NamedOptions, ANameMayCarryThem) {
  const NameAndOptions parsed = parse_name_and_options("mynet:depth=20,expand=4");
  EXPECT_EQ(parsed.name, "mynet");
  EXPECT_EQ(to_string(parsed.options), "depth=20,expand=4");
  EXPECT_EQ(parse_name_and_options("vgg16").name, "vgg16");
}

}  // namespace
}  // namespace striate

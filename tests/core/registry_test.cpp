#include "core/registry.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::message_of;

TEST(Registry, FindsByNameInTheOrderOfRegistration) {
  Registry<int> numbers("number", {{"one", 1}, {"two", 2}});
  numbers.add("three", 3);
  EXPECT_EQ(numbers.at("two"), 2);
  EXPECT_EQ(numbers.names(), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { (void)numbers.at("tree"); }),
            "unknown number 'tree': did you mean 'three'? Known numbers: one, two, three");
}

TEST(Registry, RefusesNamesThatCannotStandInAFlag) {
  Registry<int> numbers("number", {{"one", 1}});
  for (const char* name : {"", "one", "a:b", "a,b", "a=b", "a b"}) {
    EXPECT_THROW(numbers.add(name, 2), std::invalid_argument) << name;
  }
}

}  // namespace
}  // namespace striate

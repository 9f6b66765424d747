// The example of the README: 60 lines at most, and it learns.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

TEST(CustomModel, TrainsOnAFolder) {
  const Outcome outcome = run_program({STRIATE_CUSTOM_MODEL, small_data().string(), "4"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::vector<double> losses;
  std::vector<double> accuracies;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {
    losses.push_back(std::stod(line.substr(line.find("loss ") + 5)));
    accuracies.push_back(std::stod(line.substr(line.find("test accuracy ") + 14)));
  }
  ASSERT_EQ(losses.size(), 4U);
  EXPECT_LT(losses.back(), losses.front());
  EXPECT_GE(accuracies.back(), 0);
  EXPECT_LE(accuracies.back(), 1);
}

TEST(CustomModel, IsShort) {
  const std::string text = read_text(STRIATE_SOURCE_DIR "/apps/examples/custom_model.cpp");
  EXPECT_GT(text.size(), 500U);
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 60);
}

}  // namespace
}  // namespace striate

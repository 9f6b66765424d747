// The examples in apps/examples: they run, and they learn.

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

// "epoch 1 loss 2.2 test accuracy 0.1" a line.
void expect_learned(const std::string& out, std::size_t epochs) {
  std::vector<double> losses;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    losses.push_back(std::stod(line.substr(line.find("loss ") + 5)));
    const double accuracy = std::stod(line.substr(line.find("test accuracy ") + 14));
    EXPECT_GE(accuracy, 0);
    EXPECT_LE(accuracy, 1);
  }
  ASSERT_EQ(losses.size(), epochs) << out;
  EXPECT_LT(losses.back(), losses.front());
}

TEST(Examples, CustomModelTrainsByHand) {
  const Outcome outcome = run_program({STRIATE_CUSTOM_MODEL, small_data().string(), "4"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  expect_learned(outcome.out, 4);
}

TEST(Examples, TrainerTrainsAndKnowsWhereItWas) {
  const TempFolder folder;
  const std::string run = (folder.path() / "run").string();
  const Outcome outcome = run_program({STRIATE_TRAINER, small_data().string(), "4", run});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  expect_learned(outcome.out, 4);
  const Outcome again = run_program({STRIATE_TRAINER, small_data().string(), "4", run});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.out, "");
}

}  // namespace
}  // namespace striate

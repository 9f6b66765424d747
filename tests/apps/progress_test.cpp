#include "apps/cli/progress.h"

#include <gtest/gtest.h>

namespace striate::cli {
namespace {

StepResult state() {
  return {.epoch = 3,
          .epochs = 30,
          .batch = 100,
          .batches = 400,
          .learning_rate = 0.05,
          .metrics = {.loss_sum = 12800, .correct = 6400, .images = 12800, .seconds = 50}};
}

TEST(Progress, SaysWhatItShouldInPlainWords) {
  // Left: 27.75 epochs of 400 batches at half a second a batch.
  EXPECT_EQ(progress_line(state(), 0),
            "epoch 3/30 100/400  loss 1.0000  accuracy 0.5000  lr 0.05000  256 images/s  1:32:30 left");
}

TEST(Progress, TheBarFillsWhatTheTerminalLeaves) {
  const std::string wide = progress_line(state(), 160);
  EXPECT_NE(wide.find("[======                  ] 100/400"), std::string::npos) << wide;
  EXPECT_EQ(progress_line(state(), 100).size(), 100U);
  const std::string narrow = progress_line(state(), 60);
  EXPECT_EQ(narrow.size(), 60U);
  EXPECT_EQ(narrow.find('['), std::string::npos);
}

TEST(Progress, ClockText) {
  EXPECT_EQ(clock_text(42.4), "0:42");
  EXPECT_EQ(clock_text(723), "12:03");
  EXPECT_EQ(clock_text(12000), "3:20:00");
}

}  // namespace
}  // namespace striate::cli

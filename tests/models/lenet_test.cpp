// LeNet: names, sizes and what it refuses.

#include "models/lenet.h"

#include <gtest/gtest.h>

#include "core/reduce.h"
#include "models/registry.h"
#include "models/summary.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::random_tensor;

// The names of PyTorch's tutorial; 61,706 parameters as in every description.
TEST(Lenet, NamesAndSizesFollowTheTutorial) {
  const Lenet model;
  std::vector<std::string> names;
  std::int64_t count = 0;
  for (const NamedTensor& parameter : model.parameters()) {
    names.push_back(parameter.name);
    count += parameter.value.numel();
  }
  EXPECT_EQ(names, (std::vector<std::string>{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight",
                                             "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"}));
  EXPECT_EQ(count, 61'706);
  EXPECT_EQ(model.head(), "fc3");
  EXPECT_EQ(Lenet({.in_channels = 3, .height = 32, .width = 32, .padding = 0}).parameters()[4].value.shape(),
            (Shape{400, 120}));
}

TEST(Lenet, TakesAnySizeAndNumberOfChannels) {
  for (const std::int64_t height : {12, 28, 33}) {
    const auto model = make_model("lenet", {.classes = 4, .in_channels = 3, .height = height, .width = 41});
    EXPECT_EQ((*model)(random_tensor({2, height, 41, 3}, 1, DType::f32)).shape(), (Shape{2, 4}));
  }
  const auto classic = make_model("lenet:padding=0", {.in_channels = 1});
  mean((*classic)(random_tensor({2, 32, 32, 1}, 1, DType::f32))).backward();
  for (const NamedTensor& parameter : classic->parameters()) {
    EXPECT_TRUE(parameter.value.grad().defined()) << parameter.name;
  }
}

TEST(Lenet, RefusesWhatItCannotTake) {
  EXPECT_THROW(Lenet({.height = 11}), std::invalid_argument);
  EXPECT_THROW(Lenet({.width = 15, .padding = 0}), std::invalid_argument);
  EXPECT_THROW(Lenet({.padding = -1}), std::invalid_argument);
  EXPECT_THROW(Lenet({.height = std::int64_t{1} << 62}), std::invalid_argument);
  EXPECT_THROW(Lenet({.classes = 0}), std::invalid_argument);
  EXPECT_THROW(Lenet({.in_channels = 0}), std::invalid_argument);
  EXPECT_THROW(make_model("lenet", {.options = {{"width_multiplier", 0.5}}}), std::invalid_argument);
}

// Receptive fields 5, 6, 14, 16; the linear layers see the whole image.
TEST(Lenet, Summary) {
  Lenet model;
  const Summary summary = summarize(model, {28, 28, 1});
  std::vector<std::string> names;
  for (const SummaryRow& row : summary.rows) names.push_back(row.name);
  EXPECT_EQ(names, (std::vector<std::string>{"input", "conv1_1", "maxpool", "conv2_1", "maxpool", "linear", "linear",
                                             "linear"}));
  EXPECT_EQ(summary.rows[4].receptive_field, 16);
  EXPECT_EQ(summary.rows[4].height, 5);
  EXPECT_EQ(summary.parameters, 61'706);
}

}  // namespace
}  // namespace striate

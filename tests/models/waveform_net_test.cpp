// M3 to M18: the paper's sizes, names, and what they refuse.

#include "models/waveform_net.h"

#include <gtest/gtest.h>

#include "core/reduce.h"
#include "models/registry.h"
#include "models/summary.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::random_tensor;

std::int64_t weights_of_convolutions(int depth) {
  std::int64_t count = 0;
  const WaveformNet model({.depth = depth});
  for (const NamedTensor& parameter : model.parameters()) {
    if (parameter.value.rank() == 3) count += parameter.value.numel();
  }
  return count;
}

// 0.2, 0.5, 1.8 and 3.7 million in the paper.
TEST(WaveformNet, WeightsOfTheConvolutionsAreThePapers) {
  EXPECT_EQ(weights_of_convolutions(3), 217'088);
  EXPECT_EQ(weights_of_convolutions(5), 550'912);
  EXPECT_EQ(weights_of_convolutions(11), 1'774'592);
  EXPECT_EQ(weights_of_convolutions(18), 3'666'944);
}

// 32,000 samples become 8000, 2000, 500, 125 and (where the paper rounds up) 31; all parameters: norms and the linear
// layer are 2 * 1024 and 5130 more.
TEST(WaveformNet, LengthsAreThePapers) {
  WaveformNet model({.length = 32000});
  const Summary summary = summarize(model, {1, 32000, 1});
  std::vector<std::int64_t> lengths;
  for (const SummaryRow& row : summary.rows) {
    if (lengths.empty() || row.width != lengths.back()) lengths.push_back(row.width);
  }
  EXPECT_EQ(lengths, (std::vector<std::int64_t>{32000, 8000, 2000, 500, 125, 31, 1}));
  EXPECT_EQ(summary.parameters, 550'912 + 2 * (128 + 128 + 256 + 512) + 512 * 10 + 10);
}

TEST(WaveformNet, IsKnownByNameAndTrains) {
  for (const char* name : {"m3", "m5:stride=16,dropout=0.5", "m11", "m18"}) {
    const auto model = make_model(
        name, {.classes = 3, .in_channels = 2, .height = 1, .width = 4097, .options = {{"width_multiplier", 0.05}}});
    EXPECT_EQ(model->parameters()[0].name, "features.0.weight") << name;
    const Tensor x = random_tensor({2, 1, 4097, 2}, 1, DType::f32);
    const Tensor y = (*model)(x);
    EXPECT_EQ(y.shape(), (Shape{2, 3})) << name;
    mean(y).backward();
    for (const NamedTensor& parameter : model->parameters()) {
      EXPECT_TRUE(parameter.value.grad().defined()) << name << " " << parameter.name;
    }
  }
}

TEST(WaveformNet, RefusesWhatItCannotTake) {
  EXPECT_NO_THROW(WaveformNet({.length = 1024})(random_tensor({2, 1, 1024, 1}, 1, DType::f32)));
  EXPECT_THROW(WaveformNet({.length = 1023}), std::invalid_argument);
  EXPECT_THROW(WaveformNet({.depth = 4}), std::invalid_argument);
  EXPECT_THROW(WaveformNet({.stride = 0}), std::invalid_argument);
  EXPECT_THROW(make_model("m5", {.in_channels = 3, .height = 32, .width = 8000}), std::invalid_argument);
  EXPECT_THROW(WaveformNet()(random_tensor({2, 2, 8000, 1}, 1, DType::f32)), ShapeError);
}

}  // namespace
}  // namespace striate

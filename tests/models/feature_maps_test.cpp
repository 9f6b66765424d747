#include "models/feature_maps.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "layers/activations.h"
#include "layers/conv2d.h"
#include "layers/max_pool.h"
#include "layers/sequential.h"
#include "models/registry.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using namespace testing_support;

std::vector<std::string> stages_of(const std::string& model, std::int64_t side) {
  const auto net = make_model(model, {.height = side, .width = side});
  std::vector<std::string> stages;
  for (const FeatureMaps& maps : stage_maps(*net, random_tensor({1, side, side, 3}, 1, DType::f32)))
    stages.push_back(maps.path + " " + to_string(maps.values.shape()));
  return stages;
}

TEST(FeatureMaps, EndWhereTheJumpChanges) {
  using Stages = std::vector<std::string>;
  EXPECT_EQ(stages_of("vgg11:width_multiplier=0.0625", 32),
            (Stages{"features.2 (1,32,32,4)", "features.6 (1,16,16,8)", "features.13 (1,8,8,16)",
                    "features.20 (1,4,4,32)", "features.27 (1,2,2,32)"}));
  EXPECT_EQ(
      stages_of("resnet18:width_multiplier=0.0625", 64),
      (Stages{"bn1 (1,32,32,4)", "layer1 (1,16,16,4)", "layer2 (1,8,8,8)", "layer3 (1,4,4,16)", "layer4 (1,2,2,32)"}));
  // The bottleneck's first convolution still has the old size.
  EXPECT_EQ(stages_of("resnet29:width_multiplier=0.25", 32),
            (Stages{"layer1 (1,32,32,16)", "layer2 (1,16,16,32)", "layer3 (1,8,8,64)"}));
  // Down and up again, without the head.
  const Stages unet = stages_of("unet:width_multiplier=0.0625", 32);
  ASSERT_EQ(unet.size(), 9U);
  EXPECT_EQ(unet.front(), "inc (1,32,32,4)");
  EXPECT_EQ(unet[4], "down4 (1,2,2,64)");
  EXPECT_EQ(unet.back(), "up4.conv (1,32,32,4)");
}

TEST(FeatureMaps, AreWhatTheLayersGive) {
  Sequential net;
  auto& conv = net.add<Conv2d>(3, 4, Conv2dOptions{.kernel_size = 3, .padding = 1});
  auto& activation = net.add<ReLU>();
  net.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 2});
  net.to(DType::f64);
  const Tensor images = random_tensor({2, 8, 6, 3}, 1);
  const auto maps = stage_maps(net, images);
  ASSERT_EQ(maps.size(), 1U) << "a pool alone is no stage";
  EXPECT_EQ(maps[0].path, "1");
  EXPECT_EQ(maps[0].jump, 1);
  expect_close(maps[0].values, activation(conv(images)), 0, 0);
  EXPECT_TRUE(net.training());
  Sequential nothing;
  nothing.add<ReLU>();
  EXPECT_TRUE(stage_maps(nothing, images).empty());
}

TEST(FeatureMaps, FirstFilters) {
  EXPECT_EQ(first_filters(*make_model("resnet18:width_multiplier=0.125")).shape(), (Shape{7, 7, 3, 8}));
  Sequential nothing;
  EXPECT_FALSE(first_filters(nothing).defined());
}

}  // namespace
}  // namespace striate

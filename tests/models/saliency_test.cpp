#include "models/saliency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/matmul.h"
#include "core/reduce.h"
#include "core/reshape.h"
#include "layers/activations.h"
#include "layers/conv2d.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using namespace testing_support;

struct Linearly : Layer {
  Linear fc{*this, "fc", 2 * 3 * 2, 4};
  // In memory order, so that weight row i belongs to value i of an image.
  Tensor forward(const Tensor& x) override { return fc(reshape(x, {x.size(0), 12})); }
};

struct Convolving : Layer {
  Conv2d conv{*this, "conv", 2, 3, {.kernel_size = 3, .padding = 1}};
  ReLU act{*this, "act"};
  Linear fc{*this, "fc", 3, 4};
  Tensor forward(const Tensor& x) override { return fc(mean(act(conv(x)), {Axis::height, Axis::width})); }
};

TEST(Saliency, OfALinearNetIsItsWeight) {
  Linearly net;
  net.to(DType::f64);
  const Tensor heat = saliency(net, random_tensor({2, 2, 3, 2}, 1), {3, 0});
  ASSERT_EQ(heat.shape(), (Shape{2, 2, 3}));
  const std::vector<double> weight = net.fc.weight.to_vector();  // (12,4)
  for (std::size_t i = 0; i < 12; ++i) {
    const std::size_t pixel = i % 6, label = i < 6 ? 3 : 0;
    const double expected =
        std::max(std::abs(weight[2 * pixel * 4 + label]), std::abs(weight[(2 * pixel + 1) * 4 + label]));
    EXPECT_EQ(heat.data<double>()[i], expected) << i;
  }
}

TEST(Saliency, AgreesWithDifferences) {
  Convolving net;
  net.to(DType::f64);
  const Tensor image = random_tensor({1, 4, 5, 2}, 2);
  const Tensor heat = saliency(net, image, {1});
  const auto logit = [&](std::int64_t at, double by) {
    Tensor moved = image.clone();
    moved.mutable_data<double>()[at] += by;
    return net(moved).to_vector()[1];
  };
  for (std::int64_t pixel = 0; pixel < 20; ++pixel) {
    double expected = 0;
    for (std::int64_t c = 0; c < 2; ++c) {
      const std::int64_t at = 2 * pixel + c;
      expected = std::max(expected, std::abs(logit(at, 1e-6) - logit(at, -1e-6)) / 2e-6);
    }
    EXPECT_NEAR(heat.data<double>()[pixel], expected, 1e-8) << pixel;
  }
}

TEST(Saliency, OfPixelsIsThatOfTheSumOverThem) {
  Sequential net;
  auto& conv = net.add<Conv2d>(2, 3, Conv2dOptions{.kernel_size = 1});
  net.to(DType::f64);
  const std::vector<double> weight = conv.weight.to_vector();  // (1,1,2,3)
  for (const double value : saliency(net, random_tensor({1, 3, 4, 2}, 1), {2}).to_vector())
    EXPECT_EQ(value, std::max(std::abs(weight[2]), std::abs(weight[5])));
}

TEST(Saliency, LeavesTheModelAsItWas) {
  Convolving net;
  net.to(DType::f64);
  const Tensor image = random_tensor({1, 4, 4, 2}, 2);
  sum(net(image)).backward();
  const std::vector<double> before = net.conv.weight.grad().to_vector();
  saliency(net, image, {0});
  grad_cam(net, image, {0}, "act");
  EXPECT_EQ(net.conv.weight.grad().to_vector(), before);
  EXPECT_TRUE(net.training());
  sum(net(image)).backward();
  EXPECT_EQ(net.conv.weight.grad().to_vector()[0], 2 * before[0]);
}

// Two of its parameters are one tensor.
struct Tied : Layer {
  Tensor weight, again;
  Tied() {
    add_parameter("weight", weight, random_tensor({2, 2}, 1));
    add_parameter("again", again, weight);
  }
  Tensor forward(const Tensor& x) override {
    return matmul(matmul(mean(x, {Axis::height, Axis::width}), weight), again);
  }
};

TEST(Saliency, LeavesSharedParametersAsTheyWere) {
  Tied net;
  saliency(net, random_tensor({1, 3, 3, 2}, 2), {1});
  EXPECT_TRUE(net.weight.requires_grad());
  EXPECT_TRUE(net.again.requires_grad());
}

TEST(Saliency, RefusesWhatDoesNotFit) {
  Convolving net;
  const Tensor image = random_tensor({1, 4, 4, 2}, 2, DType::f32);
  expect_error<std::invalid_argument>([&] { saliency(net, image, {4}); }, {"0 to 3", "4"});
  expect_error<ShapeError>([&] { saliency(net, image, {1, 2}); }, {"2 for (1,4)"});
  expect_error<ShapeError>([&] { saliency(net, random_tensor({4, 4, 2}, 2, DType::f32), {1}); }, {"(4,4,2)"});
  expect_error<std::invalid_argument>([&] { grad_cam(net, image, {1}, "relu"); }, {"one of conv, act", "relu"});
  expect_error<std::invalid_argument>([&] { grad_cam(net, image, {1}, "fc"); }, {"one of conv, act, got fc"});
}

// d logit_k / d A_c is w[c][k] / places everywhere, so the heat is relu(sum over c of w[c][k] * A_c) / places.
TEST(GradCam, OfAMeanAndALinearLayerByHand) {
  Convolving net;
  net.to(DType::f64);
  const Tensor images = random_tensor({2, 4, 5, 2}, 3);
  const std::vector<double> weight = net.fc.weight.to_vector();  // (3,4)
  const std::vector<double> maps = net.act(net.conv(images)).to_vector();
  for (const std::string path : {"act", "conv"}) {
    const Tensor heat = grad_cam(net, images, {2, 1}, path);
    ASSERT_EQ(heat.shape(), (Shape{2, 4, 5}));
    if (path == "conv") continue;
    for (std::size_t place = 0; place < 40; ++place) {
      const std::size_t label = place < 20 ? 2 : 1;
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) sum += weight[c * 4 + label] / 20 * maps[place * 3 + c];
      EXPECT_NEAR(heat.data<double>()[place], std::max(sum, 0.0), 1e-12) << place;
    }
  }
}

}  // namespace
}  // namespace striate

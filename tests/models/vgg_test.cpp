// VGG: names, sizes, first values and what it refuses.

#include "models/vgg.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/autograd.h"
#include "core/reduce.h"
#include "core/state.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::expect_same_bits;
using testing_support::random_tensor;

std::int64_t parameter_count(const Module& model) {
  std::int64_t count = 0;
  for (const NamedTensor& parameter : model.parameters()) count += parameter.value.numel();
  return count;
}

Tensor parameter(const Module& model, const std::string& name) {
  for (const NamedTensor& candidate : model.parameters()) {
    if (candidate.name == name) return candidate.value;
  }
  ADD_FAILURE() << "no parameter " << name;
  return {};
}

// The parameters that PyTorch's model has: conv weights at these places, norm weights and biases behind them.
TEST(Vgg, NamesFollowPyTorch) {
  const Vgg model({.width_multiplier = 0.1, .dropout = 0.5});
  std::vector<std::string> expected;
  for (const int place : {0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40}) {
    expected.push_back("features." + std::to_string(place) + ".weight");
    expected.push_back("features." + std::to_string(place + 1) + ".weight");
    expected.push_back("features." + std::to_string(place + 1) + ".bias");
  }
  expected.insert(expected.end(), {"classifier.weight", "classifier.bias"});
  std::vector<std::string> names;
  for (const NamedTensor& candidate : model.parameters()) names.push_back(candidate.name);
  EXPECT_EQ(names, expected);
  EXPECT_EQ(model.head(), "classifier");

  // In files: 13 x (3 parameters and 3 buffers) and the classifier's two.
  const auto state = state_of(model);
  EXPECT_EQ(state.size(), 13U * 6U + 2U);
  EXPECT_EQ(state.front().second.shape(), (Shape{6, 3, 3, 3}));
}

TEST(Vgg, WithoutBatchNormConvolutionsHaveABias) {
  const Vgg model({.batch_norm = false, .width_multiplier = 0.1});
  std::vector<std::string> expected;
  for (const int place : {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28}) {
    expected.push_back("features." + std::to_string(place) + ".weight");
    expected.push_back("features." + std::to_string(place) + ".bias");
  }
  expected.insert(expected.end(), {"classifier.weight", "classifier.bias"});
  std::vector<std::string> names;
  for (const NamedTensor& candidate : model.parameters()) names.push_back(candidate.name);
  EXPECT_EQ(names, expected);
  EXPECT_TRUE(model.buffers().empty());
}

TEST(Vgg, ParameterCounts) {
  EXPECT_EQ(parameter_count(Vgg({.depth = 11})), 9'228'362);
  EXPECT_EQ(parameter_count(Vgg({.depth = 13})), 9'413'066);
  EXPECT_EQ(parameter_count(Vgg({.depth = 16})), 14'724'042);
  EXPECT_EQ(parameter_count(Vgg({.depth = 19})), 20'035'018);
  EXPECT_EQ(parameter_count(Vgg({.depth = 16, .batch_norm = false})), 14'719'818);
  EXPECT_EQ(parameter_count(Vgg({.depth = 16, .classes = 100})), 14'724'042 + 90 * 513);
}

TEST(Vgg, WidthIsRoundedDownAndAtLeastOne) {
  const Vgg narrow({.width_multiplier = 0.3, .in_channels = 1});
  EXPECT_EQ(parameter(narrow, "features.0.weight").shape(), (Shape{3, 3, 1, 19}));
  EXPECT_EQ(parameter(narrow, "features.7.weight").shape(), (Shape{3, 3, 19, 38}));
  EXPECT_EQ(parameter(narrow, "classifier.weight").shape(), (Shape{153, 10}));
  const Vgg thinnest({.width_multiplier = 1e-6});
  EXPECT_EQ(parameter(thinnest, "features.40.weight").shape(), (Shape{3, 3, 1, 1}));
}

TEST(Vgg, ForwardGivesLogitsForAnyInputFrom32) {
  for (const int depth : {11, 13, 16, 19}) {
    Vgg model({.depth = depth, .width_multiplier = 0.05, .classes = 7});
    EXPECT_EQ(model(random_tensor({2, 32, 32, 3}, 1, DType::f32)).shape(), (Shape{2, 7})) << depth;
  }
  Vgg model({.depth = 11, .width_multiplier = 0.05});
  EXPECT_EQ(model(random_tensor({2, 64, 48, 3}, 1, DType::f32)).shape(), (Shape{2, 10}));
}

TEST(Vgg, EvaluatesAsLayerByLayer) {
  Vgg model({.width_multiplier = 0.3});
  const Tensor images = random_tensor({5, 32, 32, 3}, 1, DType::f32);
  model(images);  // moves the running statistics
  model.eval();
  const NoGradGuard no_grad;
  const Tensor logits = model(images);
  const LayerObserver each_layer([](const Layer&, const Tensor&, const Tensor&) {});
  expect_same_bits(model(images), logits);
}

TEST(Vgg, EveryParameterGetsAGradient) {
  Vgg model({.width_multiplier = 0.05, .dropout = 0.2});
  mean(model(random_tensor({4, 32, 32, 3}, 2, DType::f32))).backward();
  for (const NamedTensor& candidate : model.parameters()) {
    EXPECT_TRUE(candidate.value.grad().defined()) << candidate.name;
  }
}

TEST(Vgg, DropoutActsInTrainingOnly) {
  Vgg model({.depth = 11, .width_multiplier = 0.25, .dropout = 0.5});
  const Tensor images = random_tensor({4, 32, 32, 3}, 3, DType::f32);
  EXPECT_NE(model(images).to_vector(), model(images).to_vector());
  model.eval();
  EXPECT_EQ(model(images).to_vector(), model(images).to_vector());
}

TEST(Vgg, ConvolutionsStartKaimingNormalOverFanOut) {
  manual_seed(5);
  const Vgg model({.depth = 11});
  for (const auto& [name, channels] :
       std::vector<std::pair<std::string, double>>{{"features.4.weight", 128}, {"features.25.weight", 512}}) {
    double squares = 0;
    const Tensor weight = parameter(model, name);
    for (const double value : weight.to_vector()) squares += value * value;
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(weight.numel())), std::sqrt(2 / (9 * channels)),
                0.02 * std::sqrt(2 / (9 * channels)))
        << name;
  }
  double largest = 0;
  for (const double value : parameter(model, "classifier.weight").to_vector()) {
    largest = std::max(largest, std::abs(value));
  }
  EXPECT_LE(largest, 1 / std::sqrt(512.0));
  EXPECT_GT(largest, 0.99 / std::sqrt(512.0));
}

TEST(Vgg, IsAlsoAChildOfAnotherModule) {
  struct Detector : Layer {
    Vgg backbone{*this, "backbone", {.depth = 11, .width_multiplier = 0.05}};
    Tensor forward(const Tensor& x) override { return backbone(x); }
  };
  const Detector detector;
  EXPECT_EQ(detector.parameters().front().name, "backbone.features.0.weight");
  EXPECT_EQ(detector.parameters().back().name, "backbone.classifier.bias");
}

TEST(Vgg, SaysWhichLayerAnImageDoesNotFit) {
  Vgg model({.depth = 11, .width_multiplier = 0.05});
  try {
    model(Tensor::zeros({1, 32, 32, 4}));
    FAIL() << "four channels went into a three channel model";
  } catch (const ShapeError& error) {
    EXPECT_EQ(std::string(error.what()).rfind("features.0: [conv2d]", 0), 0U) << error.what();
  }
  try {
    model(Tensor::zeros({2, 16, 16, 3}));
    FAIL() << "a 1x1 map cannot be halved";
  } catch (const ShapeError& error) {
    EXPECT_EQ(std::string(error.what()).rfind("features.28: ", 0), 0U) << error.what();
  }
}

TEST(Vgg, RefusesWrongOptions) {
  EXPECT_THROW(Vgg({.depth = 12}), std::invalid_argument);
  EXPECT_THROW(Vgg({.width_multiplier = 0}), std::invalid_argument);
  EXPECT_THROW(Vgg({.width_multiplier = std::nan("")}), std::invalid_argument);
  EXPECT_THROW(Vgg({.classes = 0}), std::invalid_argument);
  EXPECT_THROW(Vgg({.in_channels = 0}), std::invalid_argument);
  EXPECT_THROW(Vgg({.dropout = 1.5}), std::invalid_argument);
}

}  // namespace
}  // namespace striate

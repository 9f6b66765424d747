// ResNets: names, sizes, first values and cost, against torchvision and the papers.

#include "models/resnet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/autograd.h"
#include "core/reduce.h"
#include "core/state.h"
#include "models/registry.h"
#include "models/summary.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::random_tensor;

std::vector<std::string> names_of(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  return names;
}

// torchvision's resnet18, in the order of its parameters().
TEST(ResNet, NamesFollowTorchvision) {
  const auto model = make_model("resnet18", {.options = {{"width_multiplier", 1.0 / 16}}});
  const std::vector<std::string> expected = {"conv1.weight",
                                             "bn1.weight",
                                             "bn1.bias",
                                             "layer1.0.conv1.weight",
                                             "layer1.0.bn1.weight",
                                             "layer1.0.bn1.bias",
                                             "layer1.0.conv2.weight",
                                             "layer1.0.bn2.weight",
                                             "layer1.0.bn2.bias",
                                             "layer1.1.conv1.weight",
                                             "layer1.1.bn1.weight",
                                             "layer1.1.bn1.bias",
                                             "layer1.1.conv2.weight",
                                             "layer1.1.bn2.weight",
                                             "layer1.1.bn2.bias",
                                             "layer2.0.conv1.weight",
                                             "layer2.0.bn1.weight",
                                             "layer2.0.bn1.bias",
                                             "layer2.0.conv2.weight",
                                             "layer2.0.bn2.weight",
                                             "layer2.0.bn2.bias",
                                             "layer2.0.downsample.0.weight",
                                             "layer2.0.downsample.1.weight",
                                             "layer2.0.downsample.1.bias",
                                             "layer2.1.conv1.weight",
                                             "layer2.1.bn1.weight",
                                             "layer2.1.bn1.bias",
                                             "layer2.1.conv2.weight",
                                             "layer2.1.bn2.weight",
                                             "layer2.1.bn2.bias",
                                             "layer3.0.conv1.weight",
                                             "layer3.0.bn1.weight",
                                             "layer3.0.bn1.bias",
                                             "layer3.0.conv2.weight",
                                             "layer3.0.bn2.weight",
                                             "layer3.0.bn2.bias",
                                             "layer3.0.downsample.0.weight",
                                             "layer3.0.downsample.1.weight",
                                             "layer3.0.downsample.1.bias",
                                             "layer3.1.conv1.weight",
                                             "layer3.1.bn1.weight",
                                             "layer3.1.bn1.bias",
                                             "layer3.1.conv2.weight",
                                             "layer3.1.bn2.weight",
                                             "layer3.1.bn2.bias",
                                             "layer4.0.conv1.weight",
                                             "layer4.0.bn1.weight",
                                             "layer4.0.bn1.bias",
                                             "layer4.0.conv2.weight",
                                             "layer4.0.bn2.weight",
                                             "layer4.0.bn2.bias",
                                             "layer4.0.downsample.0.weight",
                                             "layer4.0.downsample.1.weight",
                                             "layer4.0.downsample.1.bias",
                                             "layer4.1.conv1.weight",
                                             "layer4.1.bn1.weight",
                                             "layer4.1.bn1.bias",
                                             "layer4.1.conv2.weight",
                                             "layer4.1.bn2.weight",
                                             "layer4.1.bn2.bias",
                                             "fc.weight",
                                             "fc.bias"};
  EXPECT_EQ(names_of(model->parameters()), expected);
  // A norm behind each of the 20 convolutions.
  std::vector<std::string> buffers;
  for (const std::string& name : expected) {
    if (!name.ends_with(".bias") || name == "fc.bias") continue;
    for (const char* buffer : {"running_mean", "running_var", "num_batches_tracked"}) {
      buffers.push_back(name.substr(0, name.size() - 4) + buffer);
    }
  }
  EXPECT_EQ(names_of(model->buffers()), buffers);
}

struct NamePlan {
  std::string model;
  std::vector<int> blocks;
  int convolutions;            // in a block
  std::vector<int> projected;  // stages whose first block has a projection
  int projection = 0;          // its place in downsample
  bool deep_stem = false;
};

std::vector<std::string> expected_names(const NamePlan& plan) {
  std::vector<std::string> names;
  const auto norm = [&](const std::string& path) {
    for (const char* part : {".weight", ".bias"}) names.push_back(path + part);
  };
  if (plan.deep_stem) {
    for (const char* place : {"0", "3", "6"}) {
      names.push_back(std::string("conv1.") + place + ".weight");
      if (*place != '6') norm(std::string("conv1.") + static_cast<char>(*place + 1));
    }
  } else {
    names.emplace_back("conv1.weight");
  }
  norm("bn1");
  for (std::size_t s = 0; s < plan.blocks.size(); ++s) {
    for (int b = 0; b < plan.blocks[s]; ++b) {
      const std::string block = "layer" + std::to_string(s + 1) + "." + std::to_string(b);
      for (int c = 1; c <= plan.convolutions; ++c) {
        names.push_back(block + ".conv" + std::to_string(c) + ".weight");
        norm(block + ".bn" + std::to_string(c));
      }
      if (b > 0 || std::find(plan.projected.begin(), plan.projected.end(), s + 1) == plan.projected.end()) continue;
      names.push_back(block + ".downsample." + std::to_string(plan.projection) + ".weight");
      norm(block + ".downsample." + std::to_string(plan.projection + 1));
    }
  }
  norm("fc");
  return names;
}

TEST(ResNet, NamesOfTheOthers) {
  const std::vector<NamePlan> plans = {
      {"resnet34", {3, 4, 6, 3}, 2, {2, 3, 4}},
      {"resnet50", {3, 4, 6, 3}, 3, {1, 2, 3, 4}},
      {"resnet50a", {3, 4, 6, 3}, 3, {1, 2, 3, 4}},
      {"resnet50c", {3, 4, 6, 3}, 3, {1, 2, 3, 4}, 0, true},
      {"resnet50d", {3, 4, 6, 3}, 3, {1, 2, 3, 4}, 1, true},
      {"resnet20", {3, 3, 3}, 2, {}},
      {"resnet32", {5, 5, 5}, 2, {}},
      {"resnet56", {9, 9, 9}, 2, {}},
      {"resnet29", {3, 3, 3}, 3, {1, 2, 3}},
      {"resnet29c", {3, 3, 3}, 3, {1, 2, 3}, 0, true},
      {"resnet29d", {3, 3, 3}, 3, {1, 2, 3}, 1, true},
  };
  for (const NamePlan& plan : plans) {
    const auto model = make_model(plan.model, {.options = {{"width_multiplier", 1.0 / 16}}});
    EXPECT_EQ(names_of(model->parameters()), expected_names(plan)) << plan.model;
  }
}

// Height (= width) and channels of each layer's output, by path.
using Sizes = std::map<std::string, std::pair<std::int64_t, std::int64_t>>;

Sizes sizes_of(const std::string& name, std::int64_t side) {
  const auto model = make_model(name, {.options = {{"width_multiplier", 1.0 / 16}}});
  Sizes sizes;
  const LayerObserver observer([&](const Layer& layer, const Tensor& /*x*/, const Tensor& y) {
    if (y.rank() != 4) return;
    EXPECT_EQ(y.size(1), y.size(2));
    sizes[layer.path()] = {y.size(1), y.size(3)};
  });
  model->eval();
  const NoGradGuard no_grad;
  EXPECT_EQ((*model)(Tensor::zeros({1, side, side, 3})).shape(), (Shape{1, 10}));
  return sizes;
}

void expect_sizes(const std::string& name, std::int64_t side, const Sizes& expected) {
  const Sizes sizes = sizes_of(name, side);
  for (const auto& [path, size] : expected) {
    ASSERT_TRUE(sizes.contains(path)) << name << " has no " << path;
    EXPECT_EQ(sizes.at(path), size) << name << " for " << side << ": " << path;
  }
}

TEST(ResNet, SizesOfEveryStage) {
  for (const std::string name : {"resnet18", "resnet34"}) {
    expect_sizes(name, 224,
                 {{"conv1", {112, 4}},
                  {"maxpool", {56, 4}},
                  {"layer1", {56, 4}},
                  {"layer2", {28, 8}},
                  {"layer3", {14, 16}},
                  {"layer4", {7, 32}},
                  {"avgpool", {1, 32}}});
    expect_sizes(name, 32,
                 {{"conv1", {16, 4}},
                  {"maxpool", {8, 4}},
                  {"layer1", {8, 4}},
                  {"layer2", {4, 8}},
                  {"layer3", {2, 16}},
                  {"layer4", {1, 32}}});
  }
  for (const std::string name : {"resnet50", "resnet50a", "resnet50b", "resnet50c", "resnet50d"}) {
    expect_sizes(name, 224,
                 {{"conv1", {112, 4}},
                  {"maxpool", {56, 4}},
                  {"layer1", {56, 16}},
                  {"layer2", {28, 32}},
                  {"layer3", {14, 64}},
                  {"layer4", {7, 128}}});
    expect_sizes(name, 32, {{"layer1", {8, 16}}, {"layer2", {4, 32}}, {"layer3", {2, 64}}, {"layer4", {1, 128}}});
  }
  for (const std::string name : {"resnet20", "resnet32", "resnet56"}) {
    expect_sizes(name, 32, {{"conv1", {32, 1}}, {"layer1", {32, 1}}, {"layer2", {16, 2}}, {"layer3", {8, 4}}});
  }
  for (const std::string name : {"resnet29", "resnet29a", "resnet29b", "resnet29c", "resnet29d"}) {
    expect_sizes(name, 32, {{"conv1", {32, 1}}, {"layer1", {32, 4}}, {"layer2", {16, 8}}, {"layer3", {8, 16}}});
  }
}

// Figure 2 of "Bag of Tricks": where each design halves the map.
TEST(ResNet, TweaksMoveTheStride) {
  for (const std::string tweak : {"a", "b", "c", "d"}) {
    const std::int64_t first = tweak == "a" ? 28 : 56;
    expect_sizes("resnet50" + tweak, 224,
                 {{"layer2.0.conv1", {first, 8}},
                  {"layer2.0.conv2", {28, 8}},
                  {"layer2.0.conv3", {28, 32}},
                  {"layer2.0.downsample.0", {28, tweak == "d" ? 16 : 32}},
                  {"layer2.0.downsample.1", {28, 32}}});
    const std::int64_t small = tweak == "a" ? 16 : 32;
    expect_sizes("resnet29" + tweak, 32,
                 {{"layer2.0.conv1", {small, 2}},
                  {"layer2.0.conv2", {16, 2}},
                  {"layer2.0.downsample.0", {16, tweak == "d" ? 4 : 8}}});
  }
  for (const std::string tweak : {"c", "d"}) {
    expect_sizes("resnet50" + tweak, 224, {{"conv1.0", {112, 2}}, {"conv1.3", {112, 2}}, {"conv1.6", {112, 4}}});
    expect_sizes("resnet29" + tweak, 32, {{"conv1.0", {32, 1}}, {"conv1.3", {32, 1}}, {"conv1.6", {32, 1}}});
  }
}

TEST(ResNet, TakesAnySizeAndNumberOfChannels) {
  for (const std::string& name : model_names()) {
    if (!name.starts_with("resnet")) continue;
    const auto model =
        make_model(name, {.classes = 7, .in_channels = 2, .options = {{"width_multiplier", 0.07}, {"dropout", 0.1}}});
    EXPECT_EQ((*model)(random_tensor({2, 37, 51, 2}, 1, DType::f32)).shape(), (Shape{2, 7})) << name;
    model->eval();
    EXPECT_EQ((*model)(random_tensor({1, 3, 1, 2}, 1, DType::f32)).shape(), (Shape{1, 7})) << name;
    EXPECT_EQ(model->head(), "fc");
  }
}

TEST(ResNet, EveryParameterGetsAGradient) {
  for (const char* name : {"resnet18", "resnet20", "resnet29a", "resnet29d"}) {
    const auto model = make_model(name, {.options = {{"width_multiplier", 0.07}, {"dropout", 0.2}}});
    mean((*model)(random_tensor({4, 32, 32, 3}, 2, DType::f32))).backward();
    for (const NamedTensor& parameter : model->parameters()) {
      EXPECT_TRUE(parameter.value.grad().defined()) << name << " " << parameter.name;
    }
  }
}

TEST(ResNet, ConvolutionsStartKaimingNormalOverFanOut) {
  manual_seed(5);
  const ResNet model({.depth = 18});
  for (const NamedTensor& parameter : model.parameters()) {
    if (parameter.name != "layer3.0.conv1.weight" && parameter.name != "layer4.0.downsample.0.weight") continue;
    const bool projection = parameter.name.ends_with("downsample.0.weight");
    const double deviation = std::sqrt(2 / (projection ? 512.0 : 9 * 256.0));
    double squares = 0;
    for (const double value : parameter.value.to_vector()) squares += value * value;
    // The standard deviation of 131072 values is estimated to 0.2 %: this is ten times that.
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(parameter.value.numel())), deviation, 0.02 * deviation)
        << parameter.name;
  }
}

TEST(ResNet, ZeroGammaIsForTheLastNormOfEveryBlock) {
  for (const auto& [name, last] : std::map<std::string, std::string>{{"resnet18", "bn2.weight"},
                                                                     {"resnet20", "bn2.weight"},
                                                                     {"resnet50", "bn3.weight"},
                                                                     {"resnet29d", "bn3.weight"}}) {
    const auto model = make_model(name, {.options = {{"width_multiplier", 1.0 / 16}, {"zero_gamma", true}}});
    for (const NamedTensor& parameter : model->parameters()) {
      if (parameter.value.rank() != 1 || !parameter.name.ends_with("weight")) continue;
      const bool zero = parameter.name.starts_with("layer") && parameter.name.ends_with(last);
      for (const double value : parameter.value.to_vector()) EXPECT_EQ(value, zero ? 0 : 1) << name << parameter.name;
    }
  }
}

// With every path at zero, blocks with an identity shortcut return their input, which is not negative: only the first
// block of each later stage, which halves and pads, changes it.
TEST(ResNet, StartsAsItsShortcutsWithZeroGamma) {
  const auto model = make_model("resnet20", {.options = {{"width_multiplier", 0.25}, {"zero_gamma", true}}});
  std::map<std::string, std::vector<double>> outputs;
  const LayerObserver observer(
      [&](const Layer& layer, const Tensor& /*x*/, const Tensor& y) { outputs[layer.path()] = y.to_vector(); });
  (*model)(random_tensor({2, 32, 32, 3}, 3, DType::f32));
  std::vector<double> stem = outputs.at("bn1");
  for (double& value : stem) value = std::max(value, 0.0);
  EXPECT_EQ(outputs.at("layer1"), stem);
  EXPECT_EQ(outputs.at("layer2.2"), outputs.at("layer2.0"));
  EXPECT_EQ(outputs.at("layer3.2"), outputs.at("layer3.0"));
}

TEST(ResNet, WeightsGoThroughAFile) {
  const testing_support::TempFolder folder;
  manual_seed(1);
  const auto model = make_model("resnet29d", {.options = {{"width_multiplier", 0.25}}});
  TensorFile file;
  file.tensors = state_of(*model);
  write_safetensors(folder.path() / "w.safetensors", file);
  const auto twin = make_model("resnet29d", {.options = {{"width_multiplier", 0.25}}});
  load_state(*twin, read_safetensors(folder.path() / "w.safetensors").tensors);
  const Tensor images = random_tensor({2, 32, 32, 3}, 3, DType::f32);
  EXPECT_EQ((*model)(images).to_vector(), (*twin)(images).to_vector());
}

TEST(ResNet, IsAlsoAChildOfAnotherModule) {
  struct Detector : Layer {
    ResNet backbone{*this, "backbone", {.depth = 20, .width_multiplier = 0.25}};
    Tensor forward(const Tensor& x) override { return backbone(x); }
  };
  const Detector detector;
  EXPECT_EQ(detector.parameters().front().name, "backbone.conv1.weight");
  EXPECT_EQ(detector.parameters().back().name, "backbone.fc.bias");
}

TEST(ResNet, RefusesWrongOptions) {
  EXPECT_THROW(ResNet({.depth = 19}), std::invalid_argument);
  EXPECT_THROW(ResNet({.depth = 18, .tweak = ResNetTweak::d}), std::invalid_argument);
  EXPECT_THROW(ResNet({.depth = 20, .tweak = ResNetTweak::a}), std::invalid_argument);
  EXPECT_THROW(ResNet({.width_multiplier = 0}), std::invalid_argument);
  EXPECT_THROW(ResNet({.width_multiplier = std::nan("")}), std::invalid_argument);
  EXPECT_THROW(ResNet({.classes = 0}), std::invalid_argument);
  EXPECT_THROW(ResNet({.in_channels = 0}), std::invalid_argument);
  EXPECT_THROW(ResNet({.width_multiplier = 0.1, .dropout = 1.5}), std::invalid_argument);
}

// Parameters and multiply-adds (of convolutions and the linear layer).
using Figures = std::map<std::string, std::pair<std::int64_t, double>>;

void expect_figures(const Figures& figures, std::int64_t side, std::int64_t classes) {
  for (const auto& [name, expected] : figures) {
    const auto model = make_model(name, {.classes = classes});
    const Summary summary = summarize(*model, {side, side, 3});
    EXPECT_EQ(summary.parameters, expected.first) << name;
    EXPECT_EQ(summary.multiply_adds, expected.second) << name;
    std::int64_t parameters = 0;
    for (const SummaryRow& row : summary.rows) parameters += row.parameters;
    EXPECT_EQ(parameters, summary.parameters) << name;
  }
}

// Parameters are torchvision's figures. The stem of C has 864 + 9216 + 18432 weights and two more norms of 2 * 32
// values where the 7x7 has 9408; D adds none. Multiply-adds were counted by hooks on PyTorch's networks (those of
// tests/reference/resnet.py); table 5 of "Bag of Tricks" rounds a to d to 3.8, 4.1, 4.3 and 4.3 G.
TEST(ResNet, ParametersAndWorkForLargeImages) {
  expect_figures({{"resnet18", {11'689'512, 1'814'073'344.0}},
                  {"resnet34", {21'797'672, 3'663'761'408.0}},
                  {"resnet50", {25'557'032, 4'089'184'256.0}},
                  {"resnet50a", {25'557'032, 3'857'973'248.0}},
                  {"resnet50c", {25'576'264, 4'328'824'832.0}},
                  {"resnet50d", {25'576'264, 4'328'824'832.0}}},
                 224, 1000);
}

// The paper rounds the parameters of 20, 32 and 56 to 0.27M, 0.46M and 0.85M.
TEST(ResNet, ParametersAndWorkForSmallImages) {
  expect_figures({{"resnet20", {269'722, 40'551'040.0}},
                  {"resnet32", {464'154, 68'862'592.0}},
                  {"resnet56", {853'018, 125'485'696.0}},
                  {"resnet29", {315'034, 49'072'640.0}},
                  {"resnet29a", {315'034, 45'926'912.0}},
                  {"resnet29b", {315'034, 49'072'640.0}},
                  {"resnet29c", {314'658, 48'654'848.0}},
                  {"resnet29d", {314'658, 48'654'848.0}}},
                 32, 10);
}

}  // namespace
}  // namespace striate

// Residual blocks: gradients, fused against separate ops, shortcuts.

#include "models/residual_block.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/gradcheck.h"
#include "core/state.h"
#include "layers/activations.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

struct Root : Module {};

// Every shortcut and place of the stride, with and without a change of shape.
std::vector<BlockOptions> basic_cases() {
  return {{.in_channels = 4, .channels = 4},
          {.in_channels = 3, .channels = 4},
          {.in_channels = 3, .channels = 4, .stride = 2},
          {.in_channels = 4, .channels = 4, .stride = 2, .shortcut = ShortcutKind::padding},
          {.in_channels = 3, .channels = 5, .shortcut = ShortcutKind::padding},
          {.in_channels = 3, .channels = 5, .stride = 2, .shortcut = ShortcutKind::padding}};
}

std::vector<BlockOptions> bottleneck_cases() {
  return {{.in_channels = 8, .channels = 2},
          {.in_channels = 3, .channels = 2},
          {.in_channels = 3, .channels = 2, .stride = 2, .stride_first = true},
          {.in_channels = 3, .channels = 2, .stride = 2},
          {.in_channels = 3, .channels = 2, .stride = 2, .shortcut = ShortcutKind::pooled_projection},
          {.in_channels = 3, .channels = 2, .shortcut = ShortcutKind::pooled_projection}};
}

// Calls check(block, options) for every case of both blocks.
template <class Check>
void for_all_blocks(Check check, bool zero_gamma = false) {
  for (BlockOptions options : basic_cases()) {
    SCOPED_TRACE("basic block, stride " + std::to_string(options.stride));
    options.zero_gamma = zero_gamma;
    Root root;
    BasicBlock block(root, "block", options);
    check(block, options);
  }
  for (BlockOptions options : bottleneck_cases()) {
    SCOPED_TRACE("bottleneck, stride " + std::to_string(options.stride));
    options.zero_gamma = zero_gamma;
    Root root;
    Bottleneck block(root, "block", options);
    check(block, options);
  }
}

// In training a block also moves its running statistics, which do not enter its value.
TEST(ResidualBlock, Gradcheck) {
  for_all_blocks([](Layer& block, const BlockOptions& options) {
    block.to(DType::f64);
    std::vector<Tensor> inputs = {random_tensor({2, 5, 4, options.in_channels}, 1).set_requires_grad()};
    for (const NamedTensor& parameter : block.parameters()) {
      // Norms at 1 and 0 hide mistakes.
      if (parameter.value.rank() == 1) {
        Tensor value = parameter.value;
        value.copy_from(random_tensor(value.shape(), 2, DType::f64, 0.5, 1.5));
      }
      inputs.push_back(parameter.value);
    }
    const auto result = gradcheck([&](const std::vector<Tensor>& in) { return block(in[0]); }, inputs);
    EXPECT_TRUE(result) << result.message;
  });
}

TEST(ResidualBlock, SizesAreRoundedUp) {
  for_all_blocks([](Layer& block, const BlockOptions& options) {
    for (const std::int64_t height : {1, 6, 7}) {
      const Tensor y = block(random_tensor({2, height, 9, options.in_channels}, 1, DType::f32));
      const std::int64_t channels = block.kind() == "Bottleneck" ? 4 * options.channels : options.channels;
      const std::int64_t s = options.stride;
      EXPECT_EQ(y.shape(), (Shape{2, (height + s - 1) / s, (9 + s - 1) / s, channels}));
    }
  });
}

// A block gives what its ops give one by one, in training and in evaluation, where norms are fused into convolutions.
TEST(ResidualBlock, IsItsFormula) {
  Root root;
  Bottleneck block(root, "block", {.in_channels = 5, .channels = 3, .stride = 2});
  Root other;
  Conv2d conv1(other, "conv1", 5, 3, {.bias = false});
  BatchNorm2d bn1(other, "bn1", 3);
  Conv2d conv2(other, "conv2", 3, 3, {.kernel_size = 3, .stride = 2, .padding = 1, .bias = false});
  BatchNorm2d bn2(other, "bn2", 3);
  Conv2d conv3(other, "conv3", 3, 12, {.bias = false});
  BatchNorm2d bn3(other, "bn3", 12);
  Sequential downsample(other, "downsample");
  downsample.add<Conv2d>(5, 12, Conv2dOptions{.stride = 2, .bias = false});
  downsample.add<BatchNorm2d>(12);
  load_state(other, state_of(block));

  const Tensor x = random_tensor({2, 7, 6, 5}, 3, DType::f32);
  const Tensor before = x.clone();
  const auto formula = [&] {
    const Tensor path = bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x))))))));
    return relu(path + downsample(x));
  };
  expect_same_bits(block(x).detach(), formula().detach());
  root.eval();
  other.eval();
  expect_same_bits(block(x).detach(), formula().detach());
  const NoGradGuard no_grad;
  expect_same_bits(block(x), formula());
  expect_same_bits(x, before);
}

TEST(ResidualBlock, ZeroGammaLeavesTheShortcutAlone) {
  for_all_blocks(
      [](Layer& block, const BlockOptions& options) {
        const Tensor x = random_tensor({2, 6, 5, options.in_channels}, 4, DType::f32);
        const Tensor y = block(x).detach();
        for (Module* child : block.children()) {
          if (child->name() != "downsample") continue;
          const Tensor alone = relu(dynamic_cast<Layer&>(*child)(x)).detach();
          EXPECT_EQ(y.to_vector(), alone.to_vector());
          if (options.stride == 1 && x.shape() == y.shape()) {
            EXPECT_EQ(y.to_vector(), relu(x).to_vector());
          }
        }
        int zeros = 0;
        for (const NamedTensor& parameter : block.parameters()) {
          const bool gamma = parameter.name == (block.kind() == "Bottleneck" ? "bn3.weight" : "bn2.weight");
          const std::vector<double> values = parameter.value.to_vector();
          if (!gamma) continue;
          EXPECT_EQ(values, std::vector<double>(values.size(), 0));
          ++zeros;
        }
        EXPECT_EQ(zeros, 1);
      },
      true);
  // The norm's weight gets a gradient nevertheless, so that the path learns.
  Root root;
  BasicBlock block(root, "block", {.in_channels = 3, .channels = 3, .zero_gamma = true});
  const Tensor x = random_tensor({2, 4, 4, 3}, 5, DType::f32, 0.1, 1);
  block(x).backward(random_tensor({2, 4, 4, 3}, 6, DType::f32));
  for (const NamedTensor& parameter : block.parameters()) {
    if (parameter.name != "bn2.weight") continue;
    for (const double value : parameter.value.grad().to_vector()) EXPECT_NE(value, 0);
  }
}

TEST(ResidualBlock, BitsDoNotDependOnThreads) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor x = random_tensor({4, 32, 32, 16}, 7, dtype);
    expect_same_bits_with_threads([&] {
      manual_seed(3);
      Root root;
      BasicBlock block(root, "block",
                       {.in_channels = 16, .channels = 32, .stride = 2, .shortcut = ShortcutKind::padding});
      const Tensor y = block(x);
      y.backward(random_tensor(y.shape(), 8, dtype));
      std::vector<Tensor> all = {y.detach()};
      for (const NamedTensor& parameter : block.parameters()) all.push_back(parameter.value.grad());
      return all;
    });
  }
}

TEST(ResidualBlock, APaddingShortcutCannotLoseChannels) {
  Root root;
  EXPECT_THROW(BasicBlock(root, "block", {.in_channels = 4, .channels = 3, .shortcut = ShortcutKind::padding}),
               std::invalid_argument);
}

}  // namespace
}  // namespace striate

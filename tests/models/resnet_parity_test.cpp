// Residual blocks and whole ResNets against PyTorch's numbers: see tests/reference/resnet.py.

#include <gtest/gtest.h>

#include <string>

#include "models/registry.h"
#include "models/residual_block.h"
#include "tests/support/net_parity.h"

namespace striate {
namespace {

using namespace testing_support;

const TensorFile& reference() {
  static const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/resnet.safetensors");
  return file;
}

template <class Block>
void expect_block(const std::string& name, const BlockOptions& options, std::int64_t height, std::int64_t width) {
  SCOPED_TRACE(name);
  struct Root : Module {
  } root;
  Block block(root, "block", options);
  start(block, name);
  Tensor x = hashed_image(name + ".x", {3, options.in_channels, height, width});
  x.set_requires_grad();
  const Tensor y = block(x);
  y.backward(hashed_image(name + ".dy", to_file_layout(y, file_images).shape()));

  expect_near(to_file_layout(y, file_images), reference().find(name + ".y"));
  expect_near(to_file_layout(x.grad(), file_images), reference().find(name + ".dx"));
  for (const NamedTensor& parameter : block.parameters()) {
    SCOPED_TRACE(parameter.name);
    expect_near(to_file_layout(parameter.value.grad(), parameter.file_axes),
                reference().find(name + ".d." + parameter.name));
  }
  for (const NamedTensor& buffer : block.buffers()) {
    SCOPED_TRACE(buffer.name);
    expect_near(buffer.value, reference().find(name + ".after." + buffer.name));
  }
}

TEST(ResNetParity, BasicBlocksEqualPyTorch) {
  expect_block<BasicBlock>("basic", {.in_channels = 4, .channels = 4}, 6, 5);
  expect_block<BasicBlock>("basic_wider", {.in_channels = 3, .channels = 5}, 6, 5);
  expect_block<BasicBlock>("basic_stride", {.in_channels = 3, .channels = 5, .stride = 2}, 7, 6);
  constexpr auto padding = ShortcutKind::padding;
  expect_block<BasicBlock>("basic_padding", {.in_channels = 3, .channels = 5, .stride = 2, .shortcut = padding}, 7, 6);
  expect_block<BasicBlock>("basic_padding_wider", {.in_channels = 3, .channels = 5, .shortcut = padding}, 6, 5);
}

TEST(ResNetParity, BottlenecksEqualPyTorch) {
  expect_block<Bottleneck>("bottleneck", {.in_channels = 8, .channels = 2}, 6, 5);
  expect_block<Bottleneck>("bottleneck_wider", {.in_channels = 5, .channels = 3}, 6, 5);
  expect_block<Bottleneck>("bottleneck_a", {.in_channels = 5, .channels = 3, .stride = 2, .stride_first = true}, 7, 6);
  expect_block<Bottleneck>("bottleneck_b", {.in_channels = 5, .channels = 3, .stride = 2}, 7, 6);
  constexpr auto pooled = ShortcutKind::pooled_projection;
  expect_block<Bottleneck>("bottleneck_d", {.in_channels = 5, .channels = 3, .stride = 2, .shortcut = pooled}, 7, 6);
  expect_block<Bottleneck>("bottleneck_d_wider", {.in_channels = 5, .channels = 3, .shortcut = pooled}, 6, 5);
}

void expect_resnet(const std::string& name, const std::string& reference_name, double width, std::int64_t side) {
  SCOPED_TRACE(name);
  expect_net(*make_model(name, {.options = {{"width_multiplier", width}}}), reference(), reference_name, side);
}

TEST(ResNetParity, BasicNetsEqualPyTorch) {
  expect_resnet("resnet18", "resnet18", 1.0 / 16, 64);
  expect_resnet("resnet20", "resnet20", 1.0 / 4, 12);
}

TEST(ResNetParity, BottleneckNetsAndTheirTweaksEqualPyTorch) {
  for (const std::string tweak : {"a", "b", "c", "d"}) {
    expect_resnet("resnet50" + tweak, "resnet50" + tweak, 1.0 / 16, 64);
    expect_resnet("resnet29" + tweak, "resnet29" + tweak, 1.0 / 4, 12);
  }
  // Without a letter they are torchvision's.
  expect_resnet("resnet50", "resnet50b", 1.0 / 16, 64);
  expect_resnet("resnet29", "resnet29b", 1.0 / 4, 12);
}

}  // namespace
}  // namespace striate

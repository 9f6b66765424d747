// Residual blocks and whole ResNets against PyTorch's numbers: see tests/reference/resnet.py.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/safetensors.h"
#include "core/state.h"
#include "models/registry.h"
#include "models/residual_block.h"
#include "tests/support/hashed.h"

namespace striate {
namespace {

using testing_support::hashed;
using testing_support::HashedStream;

const TensorFile& reference() {
  static const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/resnet.safetensors");
  return file;
}

/// The first values of the reference, whose names are those below the module.
void start(Module& module, const std::string& name) {
  module.to(DType::f64);
  module.train();
  FileState state = state_of(module);
  for (auto& [key, tensor] : state) {
    if (key.ends_with("num_batches_tracked")) continue;
    Tensor value = hashed(name + "." + key, tensor.shape());
    const Shape& shape = value.shape();
    const double fan_in = static_cast<double>(value.numel()) / static_cast<double>(shape[0]);
    const double offset = key.ends_with("weight") || key.ends_with("running_var") ? 1 : 0;
    auto* at = value.mutable_data<double>();
    for (std::int64_t i = 0; i < value.numel(); ++i) {
      at[i] = shape.size() > 1 ? at[i] * std::sqrt(6 / fan_in) : at[i] * 0.25 + offset;
    }
    tensor = value;
  }
  load_state(module, state);
}

/// Expects |ours - theirs| <= 1e-10 * max(1, largest |theirs|).
void expect_near(const Tensor& ours, const Tensor& theirs) {
  ASSERT_TRUE(theirs.defined());
  ASSERT_EQ(ours.shape(), theirs.shape());
  const std::vector<double> left = ours.to_vector();
  const std::vector<double> right = theirs.to_vector();
  double scale = 1;
  for (const double value : right) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_NEAR(left[i], right[i], 1e-10 * scale) << "at " << i;
}

const std::vector<int> images = {0, 3, 1, 2};

Tensor hashed_image(const std::string& name, const Shape& file_shape) {
  return from_file_layout(hashed(name, file_shape), images);
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
  y.backward(hashed_image(name + ".dy", to_file_layout(y, images).shape()));

  expect_near(to_file_layout(y, images), reference().find(name + ".y"));
  expect_near(to_file_layout(x.grad(), images), reference().find(name + ".dx"));
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

/// `reference_name` is that of the case, `name` the model's.
void expect_net(const std::string& name, const std::string& reference_name, double width, std::int64_t side) {
  SCOPED_TRACE(name);
  const auto model = make_model(name, {.options = {{"width_multiplier", width}}});
  start(*model, reference_name);
  const Tensor x = hashed_image(reference_name + ".x", {4, 3, side, side});
  const Tensor y = (*model)(x);
  expect_near(y.detach(), reference().find(reference_name + ".train"));
  y.backward(hashed(reference_name + ".dy", y.shape()));

  const std::vector<double> norms = reference().find(reference_name + ".norms").to_vector();
  const std::vector<double> projections = reference().find(reference_name + ".projections").to_vector();
  std::istringstream names(reference().metadata.at(reference_name));
  const std::vector<NamedTensor> parameters = model->parameters();
  ASSERT_EQ(parameters.size(), norms.size());
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    std::string expected;
    names >> expected;
    EXPECT_EQ(parameters[p].name, expected);
    const HashedStream signs(reference_name + "." + expected + ".signs");
    const std::vector<double> gradient =
        to_file_layout(parameters[p].value.grad(), parameters[p].file_axes).to_vector();
    double square = 0;
    double projection = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      square += gradient[i] * gradient[i];
      projection += signs.sign(i) * gradient[i];
    }
    EXPECT_NEAR(std::sqrt(square), norms[p], 1e-9 * norms[p]) << expected;
    EXPECT_NEAR(projection, projections[p], 1e-9 * norms[p]) << expected;
  }
  model->eval();
  const NoGradGuard no_grad;
  expect_near((*model)(x), reference().find(reference_name + ".eval"));
}

TEST(ResNetParity, BasicNetsEqualPyTorch) {
  expect_net("resnet18", "resnet18", 1.0 / 16, 64);
  expect_net("resnet20", "resnet20", 1.0 / 4, 12);
}

TEST(ResNetParity, BottleneckNetsAndTheirTweaksEqualPyTorch) {
  for (const std::string tweak : {"a", "b", "c", "d"}) {
    expect_net("resnet50" + tweak, "resnet50" + tweak, 1.0 / 16, 64);
    expect_net("resnet29" + tweak, "resnet29" + tweak, 1.0 / 4, 12);
  }
  // Without a letter they are torchvision's.
  expect_net("resnet50", "resnet50b", 1.0 / 16, 64);
  expect_net("resnet29", "resnet29b", 1.0 / 4, 12);
}

}  // namespace
}  // namespace striate

#include "layers/squeeze_excitation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

// A block in f64 whose parameters are as large as x.
struct Block {
  Module root;
  SqueezeExcitation layer;

  explicit Block(SqueezeExcitationOptions options = {}) : layer(root, "se", 6, 2, std::move(options)) {
    root.to(DType::f64);
    std::uint64_t seed = 10;
    for (NamedTensor& parameter : root.parameters()) {
      parameter.value.copy_from(random_tensor(parameter.value.shape(), ++seed));
    }
  }
  [[nodiscard]] std::vector<double> values(std::size_t parameter) const {
    return root.parameters()[parameter].value.to_vector();
  }
};

// outputs[k] = bias[k] + sum over c of inputs[c] * weight[c,k].
std::vector<double> dense(const std::vector<double>& inputs, const std::vector<double>& weight,
                          std::vector<double> outputs) {
  const std::size_t count = outputs.size();
  for (std::size_t k = 0; k < count; ++k)
    for (std::size_t c = 0; c < inputs.size(); ++c) outputs[k] += inputs[c] * weight[c * count + k];
  return outputs;
}

TEST(SqueezeExcitation, EqualsItsFormula) {
  for (const bool hard : {false, true}) {
    Block block(hard ? SqueezeExcitationOptions{.activation = hardswish, .scale_activation = hardsigmoid}
                     : SqueezeExcitationOptions{});
    const Tensor x = random_tensor({2, 5, 3, 6}, 1, DType::f64, -1, 2);
    std::vector<double> expected = x.to_vector();
    for (std::size_t n = 0; n < 2; ++n) {
      std::vector<double> squeezed(6);
      for (std::size_t i = 0; i < 90; ++i) squeezed[i % 6] += expected[n * 90 + i] / 15;
      std::vector<double> hidden = dense(squeezed, block.values(0), block.values(1));
      for (double& h : hidden) h = hard ? h * std::clamp(h + 3, 0.0, 6.0) / 6 : std::max(h, 0.0);
      std::vector<double> scale = dense(hidden, block.values(2), block.values(3));
      for (double& s : scale) s = hard ? std::clamp(s + 3, 0.0, 6.0) / 6 : 1 / (1 + std::exp(-s));
      for (std::size_t i = 0; i < 90; ++i) expected[n * 90 + i] *= scale[i % 6];
    }
    expect_close(block.layer(x), Tensor::from(x.shape(), expected), 1e-13, 0);
    std::vector<Tensor> inputs = {x.clone().set_requires_grad()};
    for (const NamedTensor& parameter : block.root.parameters()) inputs.push_back(parameter.value);
    const auto result = gradcheck([&](const auto& in) { return block.layer(in[0]); }, inputs);
    EXPECT_TRUE(result) << result.message;
  }
}

// torchvision.ops.SqueezeExcitation(6, 2).
TEST(SqueezeExcitation, NamesAndLowPrecision) {
  Module root;
  SqueezeExcitation layer(root, "se", 6, 2);
  EXPECT_EQ(layer.kind(), "SqueezeExcitation");
  std::vector<std::string> names;
  for (const NamedTensor& parameter : layer.parameters()) {
    names.push_back(parameter.name + " " + to_string(parameter.value.shape()));
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"fc1.weight (1,1,6,2)", "fc1.bias (2)", "fc2.weight (1,1,2,6)", "fc2.bias (6)"}));
  const Tensor x = random_tensor({3, 7, 5, 6}, 1, DType::bf16);
  const Tensor y = layer(x);
  EXPECT_EQ(y.dtype(), DType::bf16);
  expect_close(y, layer(converted(x, DType::f32)), 0, 3 * rounding(DType::bf16).rtol);
  expect_same_bits_with_threads([&](const std::vector<Tensor>& in) { return layer(in[0]); },
                                {random_tensor({9, 33, 31, 6}, 2, DType::f32)});
  EXPECT_EQ(message_of<ShapeError>([&] { layer(Tensor::zeros({1, 5, 5, 7})); }).substr(0, 8), "se.fc1: ");
}

}  // namespace
}  // namespace striate

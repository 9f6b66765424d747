#include "layers/squeeze_excitation.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

// Values and gradients against torchvision's are parity_test.cpp's.
TEST(SqueezeExcitation, Gradcheck) {
  Module root;
  SqueezeExcitation layer(root, "se", 6, 2, {.activation = silu, .scale_activation = sigmoid});
  root.to(DType::f64);
  std::vector<Tensor> inputs = {random_tensor({2, 5, 3, 6}, 1, DType::f64, -1, 2).set_requires_grad()};
  for (const NamedTensor& parameter : root.parameters()) inputs.push_back(parameter.value);
  const auto result = gradcheck([&](const auto& in) { return layer(in[0]); }, inputs);
  EXPECT_TRUE(result) << result.message;
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

#include "layers/activations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "core/gradcheck.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

struct Kind {
  std::string name;
  std::function<Tensor(const Tensor&)> op;
  std::function<double(double)> plain;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {"relu6", relu6, [](double x) { return std::min(std::max(x, 0.0), 6.0); }},
      {"tanh", tanh, [](double x) { return std::tanh(x); }},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x); },
       [](double x) { return std::max(x, 0.0) + 0.01 * std::min(x, 0.0); }},
      {"leaky_relu down", [](const Tensor& x) { return leaky_relu(x, -0.5); },
       [](double x) { return x > 0 ? x : -0.5 * x; }},
      {"silu", silu, [](double x) { return x / (1 + std::exp(-x)); }},
      {"gelu", [](const Tensor& x) { return gelu(x); },
       [](double x) { return x * 0.5 * std::erfc(-x / std::numbers::sqrt2); }},
      {"gelu tanh", [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); },
       [](double x) {
         return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * std::pow(x, 3))));
       }},
      {"elu", [](const Tensor& x) { return elu(x); }, [](double x) { return x > 0 ? x : std::exp(x) - 1; }},
      {"elu alpha", [](const Tensor& x) { return elu(x, 0.5); },
       [](double x) { return x > 0 ? x : 0.5 * (std::exp(x) - 1); }},
      {"softplus", [](const Tensor& x) { return softplus(x); }, [](double x) { return std::log(1 + std::exp(x)); }},
      {"softplus beta", [](const Tensor& x) { return softplus(x, 2, 3); },
       [](double x) { return 2 * x > 3 ? x : std::log(1 + std::exp(2 * x)) / 2; }},
      {"hardsigmoid", hardsigmoid, [](double x) { return std::clamp(x + 3, 0.0, 6.0) / 6; }},
      {"hardswish", hardswish, [](double x) { return x * std::clamp(x + 3, 0.0, 6.0) / 6; }},
  };
  return all;
}

TEST(Activations, AreTheirFormulas) {
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{7}, Shape{2, 3, 5, 17}, Shape{40001}}) {
      const Tensor x = random_tensor(shape, 1, DType::f64, -5, 5);
      std::vector<double> expected = x.to_vector();
      for (double& value : expected) value = kind.plain(value);
      expect_close(kind.op(x), Tensor::from(shape, expected), 1e-14, 1e-13);
    }
  }
}

TEST(Activations, Gradcheck) {
  for (const Kind& kind : kinds()) {
    for (const Shape& shape : {Shape{}, Shape{7}, Shape{2, 3, 4, 5}}) {
      const auto result = gradcheck([&](const auto& in) { return kind.op(in[0]); },
                                    {random_tensor(shape, 2, DType::f64, -4, 4).set_requires_grad()});
      EXPECT_TRUE(result) << kind.name << ": " << result.message;
    }
  }
}

// Rounded once; gradients from a rounded output are off by what that was.
TEST(Activations, LowerPrecisionsStayWithinRounding) {
  for (const Kind& kind : kinds()) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      for (const std::int64_t count : {1, 15, 33, 40001}) {
        SCOPED_TRACE(kind.name + " " + to_string(dtype));
        const Bound stored = rounding(dtype);
        const double slack = 16 * static_cast<double>(std::numeric_limits<float>::epsilon());
        expect_like_f64(
            [&](const std::vector<Tensor>& in) { return kind.op(in[0]); }, {random_tensor({count}, 1, dtype, -5, 5)},
            {{stored.atol + slack, stored.rtol + slack}, {2 * stored.rtol + stored.atol + slack, stored.rtol + slack}});
      }
    }
  }
}

TEST(Activations, ThreadsDoNotMatter) {
  for (const Kind& kind : kinds()) {
    expect_same_bits_with_threads([&](const std::vector<Tensor>& in) { return kind.op(in[0]); },
                                  {random_tensor({100003}, 1, DType::f32)});
  }
}

TEST(Activations, EndsAndNan) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = Tensor::from({3}, std::vector<float>{-1e4F, 1e4F, std::nanf("")});
  const auto ends = [&](const Tensor& y) {
    EXPECT_TRUE(std::isnan(y.to_vector()[2]));
    return std::vector<double>{y.to_vector()[0], y.to_vector()[1]};
  };
  EXPECT_EQ(ends(sigmoid(x)), (std::vector<double>{0, 1}));
  EXPECT_EQ(ends(tanh(x)), (std::vector<double>{-1, 1}));
  EXPECT_EQ(ends(silu(x)), (std::vector<double>{0, 1e4}));
  EXPECT_EQ(ends(gelu(x)), (std::vector<double>{0, 1e4}));
  EXPECT_EQ(ends(leaky_relu(x, 0.25)), (std::vector<double>{-2500, 1e4}));
  EXPECT_EQ(ends(elu(x)), (std::vector<double>{-1, 1e4}));
  EXPECT_EQ(ends(softplus(x)), (std::vector<double>{0, 1e4}));
  EXPECT_EQ(ends(hardsigmoid(x)), (std::vector<double>{0, 1}));
  EXPECT_EQ(ends(hardswish(x)), (std::vector<double>{0, 1e4}));
  EXPECT_EQ(elu(Tensor::from({1}, std::vector<float>{-1e-6F})).item(), std::expm1(-1e-6F));
  EXPECT_THROW(softplus(x, 0), std::invalid_argument);
  EXPECT_EQ(tanh(Tensor::from({1}, std::vector<double>{inf})).item(), 1);
  EXPECT_THROW(gelu(Tensor::zeros({2}, DType::i64)), std::invalid_argument);
}

TEST(Activations, Layers) {
  Module root;
  Sigmoid first(root, "sigmoid");
  Tanh second(root, "tanh");
  LeakyReLU third(root, "leaky_relu", 0.25);
  SiLU fourth(root, "silu");
  GELU fifth(root, "gelu", GeluApproximation::tanh);
  ELU sixth(root, "elu", 0.5);
  Softplus seventh(root, "softplus", 2, 3);
  Hardsigmoid eighth(root, "hardsigmoid");
  Hardswish ninth(root, "hardswish");
  const Tensor x = random_tensor({3, 4}, 1, DType::f32);
  const std::vector<Tensor> expected = {
      sigmoid(x),  tanh(x),           leaky_relu(x, 0.25), silu(x),     gelu(x, GeluApproximation::tanh),
      elu(x, 0.5), softplus(x, 2, 3), hardsigmoid(x),      hardswish(x)};
  const std::vector<std::string> names = {"Sigmoid", "Tanh",     "LeakyReLU",   "SiLU",     "GELU",
                                          "ELU",     "Softplus", "Hardsigmoid", "Hardswish"};
  const std::vector<Layer*> layers = {&first, &second, &third, &fourth, &fifth, &sixth, &seventh, &eighth, &ninth};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    expect_same_bits((*layers[i])(x), expected[i]);
    EXPECT_EQ(layers[i]->kind(), names[i]);
    EXPECT_TRUE(layers[i]->geometry({3, 4}, {3, 4}).merges_into_previous);
  }
  expect_same_bits(LeakyReLU(root, "default")(x), leaky_relu(x, 0.01));
  expect_same_bits(Softplus(root, "softplus default")(x), softplus(x, 1, 20));
}

}  // namespace
}  // namespace striate

// Gradients in f16: what underflows, what a loss scale saves, and that training in f16 follows f32.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/random.h"
#include "core/reduce.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/cross_entropy.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

struct Gradients {
  Tensor x, w, b;
};

/// Of factor * sum(f(x, w, b)), summed in the parameters' dtype, with x_value in x (4,...), 0.5 in w and 0 in b.
Gradients gradients_of(const Op& f, const std::vector<Shape>& shapes, DType dtype, double x_value, double factor) {
  const DType parameters = parameter_dtype(dtype);
  std::vector<Tensor> in = {Tensor::full(shapes[0], x_value, dtype), Tensor::full(shapes[1], 0.5, parameters),
                            Tensor::zeros(shapes[2], parameters)};
  for (Tensor& tensor : in) tensor.set_requires_grad();
  affine(sum(cast(f(in), parameters)), factor).backward();
  return {in[0].grad(), in[1].grad(), in[2].grad()};
}

struct Case {
  const char* name;
  Op op;
  std::vector<Shape> shapes;
};

// One output an image, so that a gradient of w or b is that of the output, times x, summed over four images.
const std::vector<Case> cases = {
    {"conv2d",
     [](const std::vector<Tensor>& in) { return conv2d(in[0], in[1], in[2]); },
     {{4, 3, 3, 2}, {3, 3, 2, 1}, {1}}},
    {"linear", [](const std::vector<Tensor>& in) { return linear(in[0], in[1], in[2]); }, {{4, 5}, {5, 1}, {1}}}};

TEST(F16, SmallGradientsAreFlushedToZeroAndALossScaleSavesThem) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    // 1e-8 is below half the smallest subnormal.
    const Gradients flushed = gradients_of(c.op, c.shapes, DType::f16, 1, 1e-8);
    for (const Tensor& gradient : {flushed.x, flushed.w, flushed.b}) {
      expect_close(gradient, Tensor::zeros(gradient.shape()), 0, 0);
    }
    const Gradients scaled = gradients_of(c.op, c.shapes, DType::f16, 1, 1e-8 * 65536);
    const Gradients exact = gradients_of(c.op, c.shapes, DType::f64, 1, 1e-8);
    // The gradient of the output and the result are rounded once each.
    const double rtol = 2 * rounding(DType::f16).rtol;
    expect_close(cast(scaled.x, DType::f32) * (1.0 / 65536), exact.x, 0, rtol);
    expect_close(scaled.w * (1.0 / 65536), exact.w, 0, rtol);
    expect_close(scaled.b * (1.0 / 65536), exact.b, 0, rtol);
    // bf16 needs none.
    const Gradients bf16 = gradients_of(c.op, c.shapes, DType::bf16, 1, 1e-8);
    expect_close(bf16.w, exact.w, 0, 2 * rounding(DType::bf16).rtol);
  }
}

// Gradients of parameters under- and overflow by themselves, where those of activations are in range.
TEST(F16, GradientsOfParametersHaveItsRange) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Gradients small = gradients_of(c.op, c.shapes, DType::f16, 0x1p-10, 0x1p-18);
    EXPECT_EQ(small.w.dtype(), DType::f32);
    expect_close(small.w, Tensor::zeros(small.w.shape()), 0, 0);  // 4 * 2^-28
    expect_close(small.b, Tensor::full({1}, 0x1p-16), 0, 0);
    expect_close(small.x, Tensor::full(small.x.shape(), 0x1p-19), 0, 0);
    const Gradients large = gradients_of(c.op, c.shapes, DType::f16, 64, 1024);
    const float inf = std::numeric_limits<float>::infinity();
    expect_close(large.w, Tensor::full(large.w.shape(), inf), 0, 0);  // 4 * 65536
    expect_close(large.b, Tensor::full({1}, 4096), 0, 0);
    expect_close(large.x, Tensor::full(large.x.shape(), 512), 0, 0);
  }
}

struct Net : Module {
  Conv2d conv{*this, "conv", 3, 8, {.kernel_size = 3, .padding = 1, .bias = false}};
  BatchNorm2d norm{*this, "norm", 8};
  Linear head{*this, "head", 8 * 4 * 4, 5};

  Tensor forward(const Tensor& x) { return head(flatten(max_pool2d(relu(norm(conv(x))), {.kernel_size = 2}))); }
};

/// The losses of a few steps of gradient descent from gradients that the loss scale is divided out of.
std::vector<double> train(DType activations, double loss_scale) {
  manual_seed(3);
  Net net;
  const Tensor images = random_tensor({20, 8, 8, 3}, 1, DType::f32);
  std::vector<std::int64_t> labels(20);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 5);
  const Tensor target = Tensor::from<std::int64_t>({20}, labels);
  std::vector<double> losses;
  for (int step = 0; step < 12; ++step) {
    const Tensor loss = cross_entropy(net.forward(cast(images, activations)), target);
    losses.push_back(loss.item());
    affine(loss, loss_scale).backward();
    for (NamedTensor& parameter : net.parameters()) {
      auto* values = parameter.value.mutable_data<float>();
      const std::vector<double> gradient = parameter.value.grad().to_vector();
      for (std::size_t i = 0; i < gradient.size(); ++i) values[i] -= static_cast<float>(0.1 * gradient[i] / loss_scale);
    }
    net.zero_grad();
  }
  return losses;
}

// On the way to the loss a handful of values of up to a few units are rounded, u = 2^-11 of them each: 16 u. An
// update errs as much again.
TEST(F16, TrainingFollowsF32) {
  const std::vector<double> exact = train(DType::f32, 1);
  EXPECT_LT(exact.back(), exact.front() / 2);
  for (const double scale : {1.0, 1024.0}) {
    const std::vector<double> losses = train(DType::f16, scale);
    for (std::size_t step = 0; step < exact.size(); ++step) {
      const double allowed = 16 * 0x1p-11 * static_cast<double>(step + 1);
      EXPECT_NEAR(losses[step], exact[step], allowed) << "scale " << scale << " step " << step;
    }
    EXPECT_NE(losses, exact);  // it is not f32 by another name
  }
}

}  // namespace
}  // namespace striate

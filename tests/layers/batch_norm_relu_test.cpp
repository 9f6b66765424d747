// relu(batch_norm) in one pass against one after the other.
#include "tests/support/batch_norm_relu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/allocator.h"
#include "core/elementwise.h"
#include "core/error.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

// Fused and one after the other, from the same inputs. Outputs are equal; a gradient that ReLU cut in one alone
// would be off by a value of dy. Compilers that fuse multiplications and additions may do it elsewhere in sums.
void expect_relu_of_it(const std::vector<Tensor>& inputs, bool training, const Tensor& dy) {
  const auto normed = [&](const std::vector<Tensor>& in, bool with_relu) {
    return batch_norm_relu(in[0], in[1], in[2], training ? Tensor() : in[3].detach(),
                           training ? Tensor() : in[4].detach(), {.training = training}, with_relu);
  };
  const OpRun fused = run_op([&](const std::vector<Tensor>& in) { return normed(in, true); }, inputs, dy);
  const OpRun parts = run_op([&](const std::vector<Tensor>& in) { return relu(normed(in, false)); }, inputs, dy);
  expect_close(fused.y, parts.y, 0, 0);
  const double eps =
      inputs[1].dtype() == DType::f64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  for (std::size_t i = 0; i < 3; ++i) {
    const Bound stored = rounding(fused.gradients[i].dtype());
    expect_close(fused.gradients[i], parts.gradients[i], 256 * eps + 2 * stored.atol,
                 std::max(2 * stored.rtol, 16 * eps));
  }
}

TEST(BatchNormRelu, IsReluOfIt) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
    const DType parameters = parameter_dtype(dtype);
    for (const Shape& shape : {Shape{40, 3}, Shape{3, 7, 5, 17}, Shape{2, 33, 31, 65}, Shape{21, 530}}) {
      for (const bool training : {true, false}) {
        SCOPED_TRACE(to_string(shape) + " " + to_string(dtype) + (training ? " training" : ""));
        const Shape channels = {shape.back()};
        expect_relu_of_it({random_tensor(shape, 1, dtype), random_tensor(channels, 2, parameters),
                           random_tensor(channels, 3, parameters), random_tensor(channels, 4, parameters),
                           random_tensor(channels, 5, parameters, 0.5, 2)},
                          training, random_tensor(shape, 6, dtype));
      }
    }
  }
}

// A convolution keeps what goes into it, but of a norm only what the norm keeps.
TEST(BatchNormRelu, OutputIsNotKept) {
  const Tensor x = random_tensor({2, 16, 16, 64}, 1, DType::f32).set_requires_grad();
  const Tensor w = random_tensor({3, 3, 64, 4}, 2, DType::f32).set_requires_grad();
  const Tensor weight = Tensor::full({64}, 1);
  const Tensor bias = Tensor::zeros({64});
  const std::size_t before = allocator_stats().live_bytes;
  const Tensor y = conv2d(batch_norm_relu(x, weight, bias, {}, {}, {.training = true}), w, {}, {.padding = 1});
  EXPECT_LT(allocator_stats().live_bytes - before, y.bytes() + x.bytes() / 4);
}

// Values of three kinds only, so that a third of the outputs are 0 or as near to it as rounding goes. Not in f16,
// where what is above 0 may be stored as 0, and then ReLU alone cuts what both in one let pass.
TEST(BatchNormRelu, CutsTiesAtZeroAlike) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    const DType parameters = parameter_dtype(dtype);
    Tensor x = random_tensor({50, 3, 3, 35}, 1, DType::f64, -1.5, 1.5);
    auto* values = x.mutable_data<double>();
    for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = std::round(values[i]) / 3 + 0.1;
    const Tensor rounded = converted(x, dtype);
    const double middle = converted(Tensor::full({}, 0.1, DType::f64), dtype).item();
    const Tensor weight = random_tensor({35}, 2, parameters, -1, 1);
    const Tensor mean = Tensor::full({35}, middle, parameters);
    const Tensor dy = random_tensor(x.shape(), 3, dtype);
    expect_relu_of_it({rounded, weight, Tensor::zeros({35}, parameters), mean, Tensor::full({35}, 0.3, parameters)},
                      false, dy);
    // The shift of every channel takes what the middle value became to 0, give or take a rounding.
    std::vector<double> shift(35);
    const std::vector<double> inputs = rounded.to_vector();
    const std::vector<double> outputs = batch_norm(rounded, weight, {}, {}, {}, {.training = true}).to_vector();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == middle) shift[i % 35] = -outputs[i];
    }
    const Tensor bias = converted(Tensor::from({35}, shift), parameters);
    expect_relu_of_it({rounded, weight, bias, mean, mean}, true, dy);
  }
}

TEST(BatchNormRelu, PassesNanAndCutsInfinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor one = Tensor::full({1}, 1);
  std::vector<float> values(40, 2);
  values[3] = nan;
  values[5] = inf;
  values[7] = -inf;
  values[38] = nan;
  const Tensor x = Tensor::from({40, 1}, values);
  const Tensor dy = random_tensor({40, 1}, 1, DType::f32);
  expect_relu_of_it({x, one, one, one, one}, false, dy);
  expect_relu_of_it({x, one, one, one, one}, true, dy);
  const Tensor y = batch_norm_relu(x, one, one, one, one, {});
  EXPECT_TRUE(std::isnan(y.to_vector()[3]));
  EXPECT_EQ(y.to_vector()[5], inf);
  EXPECT_EQ(y.to_vector()[7], 0);
}

// Backward writes over the incoming gradient only where nobody else has it.
TEST(BatchNormRelu, GradientsOfOthersStayAsTheyWere) {
  for (const bool fused : {true, false}) {
    Tensor a = random_tensor({6, 4, 17}, 1, DType::f32).set_requires_grad();
    Tensor b = random_tensor({6, 4, 17}, 2, DType::f32).set_requires_grad();
    const Tensor dy = random_tensor({6, 4, 17}, 3, DType::f32);
    const Tensor kept = dy.clone();
    const auto normed = [&](const Tensor& x) {
      const Tensor y = batch_norm_relu(x, {}, {}, {}, {}, {.training = true}, fused);
      return fused ? y : relu(y);
    };
    (a + normed(b)).backward(dy);
    expect_same_bits(a.grad(), kept);
    const Tensor db = b.grad().clone();
    b.set_grad({});
    normed(b).backward(dy);
    expect_same_bits(b.grad(), db);
    expect_same_bits(dy, kept);
  }
}

}  // namespace
}  // namespace striate

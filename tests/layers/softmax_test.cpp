#include "layers/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/gradcheck.h"
#include "core/parallel.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::random_tensor;
using testing_support::rounding;

const std::vector<Shape> shapes = {{1}, {5}, {3, 1}, {4, 10}, {2, 3, 2, 7}, {3, 1000}};

/// exp(x) / sum(exp(x)) as it is written.
Tensor reference(const Tensor& x, bool log) {
  std::vector<double> values = x.to_vector();
  const auto k = static_cast<std::size_t>(x.size(-1));
  for (std::size_t at = 0; at < values.size(); at += k) {
    double sum = 0;
    for (std::size_t j = at; j < at + k; ++j) sum += std::exp(values[j]);
    for (std::size_t j = at; j < at + k; ++j) values[j] = log ? values[j] - std::log(sum) : std::exp(values[j]) / sum;
  }
  return Tensor::from(x.shape(), values);
}

TEST(Softmax, IsItsDefinition) {
  for (const Shape& shape : shapes) {
    const Tensor x = random_tensor(shape, 1, DType::f64, -4, 4);
    expect_close(softmax(x), reference(x, false), 0, 1e-13);
    expect_close(log_softmax(x), reference(x, true), 1e-14, 1e-13);
  }
}

TEST(Softmax, LargeValuesDoNotOverflow) {
  const Tensor x = Tensor::from<float>({2, 2}, {1000, 1001, -1e30F, 0});
  const std::vector<double> p = softmax(x).to_vector();
  EXPECT_NEAR(p[1], 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_EQ(p[2], 0);
  EXPECT_EQ(p[3], 1);
  EXPECT_NEAR(log_softmax(x).to_vector()[0], -1 - std::log1p(std::exp(-1.0)), 1e-6);
  EXPECT_EQ(log_softmax(x).to_vector()[2], static_cast<double>(-1e30F));
}

TEST(Softmax, Gradcheck) {
  for (const Shape& shape : std::vector<Shape>{{1}, {5}, {3, 4}, {2, 2, 1, 3}}) {
    Tensor x = random_tensor(shape, 1, DType::f64, -2, 2);
    x.set_requires_grad();
    const GradcheckResult plain = gradcheck([](const std::vector<Tensor>& in) { return softmax(in[0]); }, {x});
    EXPECT_TRUE(plain) << plain.message;
    const GradcheckResult log = gradcheck([](const std::vector<Tensor>& in) { return log_softmax(in[0]); }, {x});
    EXPECT_TRUE(log) << log.message;
  }
}

TEST(Softmax, LowerPrecisionsStayWithinRounding) {
  for (const Shape& shape : shapes) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      const double eps = 2 * rounding(dtype).rtol;
      Tensor low = random_tensor(shape, 1, dtype, -2, 2);
      Tensor exact = Tensor::empty(shape, DType::f64);
      exact.copy_from(low);
      const auto k = static_cast<double>(low.size(-1));
      const double sums = k * std::numeric_limits<float>::epsilon();
      expect_close(softmax(low), softmax(exact), 0, 8 * (eps + sums));
      expect_close(log_softmax(low), log_softmax(exact), 8 * (eps + sums), 8 * eps);
      low.set_requires_grad();
      exact.set_requires_grad();
      const Tensor dy = random_tensor(shape, 2, dtype);
      Tensor wide_dy = Tensor::empty(shape, DType::f64);
      wide_dy.copy_from(dy);
      const Tensor y = softmax(low);
      EXPECT_EQ(y.dtype(), dtype);
      y.backward(dy);
      softmax(exact).backward(wide_dy);
      expect_close(low.grad(), exact.grad(), 4 * (eps + sums), 0);
    }
  }
}

TEST(Softmax, ThreadsDoNotChangeBits) {
  const int before = num_threads();
  const Tensor x = random_tensor({900, 50}, 1, DType::f32);
  set_num_threads(1);
  const std::vector<double> one = log_softmax(x).to_vector();
  set_num_threads(3);
  const std::vector<double> three = log_softmax(x).to_vector();
  set_num_threads(before);
  EXPECT_EQ(one, three);
}

TEST(Softmax, RejectsWhatDoesNotFit) {
  EXPECT_THROW(softmax(Tensor::full({}, 1)), ShapeError);
  EXPECT_THROW(log_softmax(Tensor::full({}, 1)), ShapeError);
  EXPECT_THROW(softmax(Tensor::zeros({2, 2}, DType::i64)), std::invalid_argument);
}

}  // namespace
}  // namespace striate

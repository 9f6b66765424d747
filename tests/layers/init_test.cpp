#include "layers/init.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"

namespace striate {
namespace {

struct Moments {
  double mean = 0, deviation = 0, low = 0, high = 0;
};

Moments moments(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_vector();
  Moments m;
  m.low = *std::min_element(values.begin(), values.end());
  m.high = *std::max_element(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  for (const double value : values) m.mean += value / n;
  for (const double value : values) m.deviation += (value - m.mean) * (value - m.mean) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(Init, FanCountsAsPyTorchDoes) {
  EXPECT_EQ(fan_of({3, 5, 4, 16}).in, 60);
  EXPECT_EQ(fan_of({3, 5, 4, 16}).out, 240);
  EXPECT_EQ(fan_of({7, 9}).in, 7);
  EXPECT_EQ(fan_of({7, 9}).out, 9);
  EXPECT_THROW(fan_of({7}), ShapeError);
  EXPECT_EQ(fan_of({5, 4, 16}).in, 20);
  EXPECT_EQ(fan_of({5, 4, 16}).out, 80);
  EXPECT_THROW(fan_of({7, 1, 1, 1, 1}), ShapeError);
}

TEST(Init, DistributionsHaveTheirMoments) {
  manual_seed(1);
  const Shape shape = {3, 3, 64, 128};  // fan in 576, out 1152
  const Tensor w = Tensor::empty(shape);
  const auto expect = [&](double deviation, double bound) {
    const Moments m = moments(w);
    EXPECT_NEAR(m.mean, 0, 0.02 * deviation);
    EXPECT_NEAR(m.deviation, deviation, 0.02 * deviation);
    EXPECT_LE(std::max(-m.low, m.high), bound);
    EXPECT_GE(std::min(-m.low, m.high), 0.99 * deviation * std::sqrt(3.0));
  };
  const double he_in = std::sqrt(2.0 / 576);
  kaiming_uniform_(w);
  expect(he_in, he_in * std::sqrt(3.0));
  kaiming_normal_(w, FanMode::out);
  expect(std::sqrt(2.0 / 1152), 1);
  kaiming_normal_(w, FanMode::in, leaky_relu_gain(1));
  expect(std::sqrt(1.0 / 576), 1);
  xavier_uniform_(w);
  expect(std::sqrt(2.0 / 1728), std::sqrt(6.0 / 1728));
  default_init_(w, {});
  expect(1 / std::sqrt(3.0 * 576), 1.0 / 24);
  normal_(w, 0, 3);
  expect(3, 30);
  uniform_(w, 5, 6);
  EXPECT_NEAR(moments(w).mean, 5.5, 0.01);
  constant_(w, 0.25);
  EXPECT_EQ(moments(w).low, 0.25);
  EXPECT_EQ(moments(w).high, 0.25);
}

TEST(Init, IsAFunctionOfSeedAndOrderAlone) {
  const int before = num_threads();
  const Shape shape = {100, 400};
  std::vector<std::vector<double>> runs;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    manual_seed(9);
    const Tensor a = Tensor::empty(shape);
    const Tensor b = Tensor::empty(shape);
    kaiming_normal_(a);
    kaiming_normal_(b);
    EXPECT_NE(a.to_vector(), b.to_vector());
    runs.push_back(a.to_vector());
  }
  set_num_threads(before);
  EXPECT_EQ(runs[0], runs[1]);
  manual_seed(10);
  const Tensor other = Tensor::empty(shape);
  kaiming_normal_(other);
  EXPECT_NE(other.to_vector(), runs[0]);
}

TEST(Init, WritesParametersOutsideTheGraph) {
  manual_seed(1);
  Tensor w = Tensor::zeros({4, 4}, DType::f64);
  w.set_requires_grad();
  xavier_uniform_(w);
  EXPECT_TRUE(w.requires_grad());
  EXPECT_FALSE(w.grad().defined());
  EXPECT_NE(w.to_vector()[0], 0);
  EXPECT_THROW(constant_(Tensor::zeros({2}, DType::i64), 1), std::invalid_argument);
}

}  // namespace
}  // namespace striate

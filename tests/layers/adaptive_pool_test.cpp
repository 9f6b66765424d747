// Pools to a given output size: the largest value, and the mean.

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/random.h"
#include "layers/avg_pool.h"
#include "layers/max_pool.h"
#include "tests/support/naive_pool.h"
#include "tests/support/op_checks.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using namespace testing_support;

struct Case {
  ImageSizes sizes;
  Extent2d output;
};

std::vector<Case> all_cases() {
  // Global (one of more taps than a byte counts), identity, dividing, not dividing, larger than the input.
  std::vector<Case> cases = {{{2, 7, 7, 3}, 1}, {{1, 17, 19, 2}, 1},    {{1, 1, 1, 4}, 1},     {{1, 4, 5, 2}, {4, 5}},
                             {{2, 6, 8, 1}, 2}, {{1, 7, 5, 2}, {3, 2}}, {{1, 2, 3, 2}, {5, 4}}};
  RandomSequence draw(random_stream(9, RandomUse::test));
  const auto between = [&](std::int64_t low, std::int64_t high) { return low + draw.below(high - low + 1); };
  for (int i = 0; i < 30; ++i) {
    cases.push_back({{between(1, 2), between(1, 9), between(1, 9), between(1, 3)}, {between(1, 9), between(1, 9)}});
  }
  return cases;
}

std::string describe(const Case& c) { return to_string(c.sizes.shape()) + " to " + to_string(c.output); }

// Forward, and the gradient that goes to where the maxima came from.
void expect_naive_max(const Case& c, const Tensor& x) {
  SCOPED_TRACE(describe(c));
  const auto naive = naive_adaptive_max_pool(x.to_vector(), c.sizes, c.output);
  const Tensor leaf = x.clone().set_requires_grad();
  const Tensor y = adaptive_max_pool2d(leaf, c.output);
  expect_close(y, Tensor::from(naive.sizes.shape(), naive.y), 0, 0);
  const Tensor dy = random_tensor(y.shape(), 3);
  y.backward(dy);
  std::vector<double> dx(c.sizes.count());
  for (std::size_t i = 0; i < naive.source.size(); ++i) dx[naive.source[i]] += dy.data<double>()[i];
  expect_close(leaf.grad(), Tensor::from(c.sizes.shape(), dx), 1e-14, 0);
}

TEST(AdaptivePools, EqualTheNaiveOnesAlsoWithTies) {
  for (const Case& c : all_cases()) {
    const Tensor x = random_tensor(c.sizes.shape(), 1);
    const auto naive = naive_adaptive_avg_pool(x.to_vector(), c.sizes, c.output);
    expect_close(adaptive_avg_pool2d(x, c.output), Tensor::from(naive.sizes.shape(), naive.y), 1e-14, 0);
    expect_naive_max(c, x);
    Tensor coarse = random_tensor(c.sizes.shape(), 2, DType::f64, 0, 3);
    auto* values = coarse.mutable_data<double>();
    for (std::int64_t i = 0; i < coarse.numel(); ++i) values[i] = std::floor(values[i]);
    expect_naive_max(c, coarse);
  }
}

TEST(AdaptivePools, Gradcheck) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    const std::vector<Tensor> x = {random_tensor(c.sizes.shape(), 4).set_requires_grad()};
    const auto largest = gradcheck([&](const auto& in) { return adaptive_max_pool2d(in[0], c.output); }, x);
    EXPECT_TRUE(largest) << largest.message;
    const auto mean = gradcheck([&](const auto& in) { return adaptive_avg_pool2d(in[0], c.output); }, x);
    EXPECT_TRUE(mean) << mean.message;
  }
}

TEST(AdaptivePools, LowPrecisionAndThreads) {
  for (const Extent2d output : {Extent2d(1), Extent2d(3, 4), Extent2d(13, 9)}) {
    const Op largest = [&](const auto& in) { return adaptive_max_pool2d(in[0], output); };
    const Op mean = [&](const auto& in) { return adaptive_avg_pool2d(in[0], output); };
    const auto windows = static_cast<double>(output.height * output.width);
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      for (const std::int64_t channels : {1, 7, 65}) {
        const std::vector<Tensor> x = {random_tensor({2, 7, 9, channels}, 1, dtype)};
        // Values come out as they went in; a pixel's gradient is that of at most all windows.
        const double eps = windows * rounding(dtype).rtol;
        expect_like_f64(largest, x, {{0, 0}, {eps, eps}});
        // Additions and the division; on the way back 1 / n, the product and additions of at most all windows.
        expect_within_rounding(mean, x, {{7 * 9, 0, dtype}, {windows + 1, 0, dtype}});
      }
    }
    expect_same_bits_with_threads(largest, {random_tensor({5, 33, 31, 80}, 8, DType::f32)});
    expect_same_bits_with_threads(mean, {random_tensor({5, 33, 31, 80}, 8, DType::f32)});
  }
}

TEST(AdaptivePools, Errors) {
  using Pool = Tensor (*)(const Tensor&, const Extent2d&);
  for (const auto& [name, pool] : {std::pair<std::string, Pool>("adaptive_max_pool2d", adaptive_max_pool2d),
                                   {"adaptive_avg_pool2d", adaptive_avg_pool2d}}) {
    const auto message = [pool = pool](const Shape& x, const Extent2d& output) {
      return message_of<std::invalid_argument>([&] { pool(Tensor::zeros(x), output); });
    };
    const std::string op = "[" + name + "] ";
    EXPECT_EQ(message({4, 5}, 1), op + "input must be (N,H,W,C) with H and W of at least 1: got (4,5)");
    EXPECT_EQ(message({1, 4, 5, 1}, {2, 0}), op + "expected output_size of at least 1, got 2x0");
    EXPECT_THROW(pool(Tensor::zeros({1, 0, 5, 1}), 1), ShapeError);
  }
}

TEST(AdaptivePools, Layers) {
  Module root;
  AdaptiveMaxPool2d largest(root, "largest", {2, 1});
  EXPECT_EQ(largest.kind(), "AdaptiveMaxPool2d");
  EXPECT_EQ(largest(random_tensor({1, 7, 7, 2}, 9)).shape(), (Shape{1, 2, 1, 2}));
  EXPECT_EQ(largest.geometry({1, 7, 7, 2}, {1, 2, 1, 2}).kernel, 3);
  EXPECT_THROW(AdaptiveMaxPool2d(root, "none", 0), std::invalid_argument);
  AdaptiveAvgPool2d mean(root, "mean", 1);
  EXPECT_EQ(mean.kind(), "AdaptiveAvgPool2d");
  EXPECT_EQ(mean(random_tensor({1, 7, 7, 2}, 9)).shape(), (Shape{1, 1, 1, 2}));
  EXPECT_EQ(mean.geometry({1, 7, 7, 2}, {1, 1, 1, 2}).kernel, 7);
  EXPECT_EQ(mean.geometry({1, 7, 7, 2}, {1, 1, 1, 2}).stride, 7);
  EXPECT_EQ(mean.geometry({1, 1, 1, 2}, {1, 1, 1, 2}).kernel, 1);
  EXPECT_EQ(mean.geometry({1, 2, 2, 2}, {1, 5, 5, 2}).stride, 1);
}

}  // namespace
}  // namespace striate

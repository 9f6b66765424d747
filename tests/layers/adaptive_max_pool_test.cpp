#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/random.h"
#include "layers/max_pool.h"
#include "tests/support/naive_pool.h"
#include "tests/support/op_checks.h"

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
  RandomSequence draw(random_stream(19, RandomUse::test));
  const auto between = [&](std::int64_t low, std::int64_t high) { return low + draw.below(high - low + 1); };
  for (int i = 0; i < 30; ++i) {
    cases.push_back({{between(1, 2), between(1, 9), between(1, 9), between(1, 3)}, {between(1, 9), between(1, 9)}});
  }
  return cases;
}

// Forward, and the gradient that goes to where the maxima came from.
void expect_naive(const Case& c, const Tensor& x) {
  SCOPED_TRACE(to_string(c.sizes.shape()) + " to " + to_string(c.output));
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

TEST(AdaptiveMaxPool, EqualsTheNaiveOneAlsoWithTies) {
  for (const Case& c : all_cases()) {
    expect_naive(c, random_tensor(c.sizes.shape(), 1));
    Tensor coarse = random_tensor(c.sizes.shape(), 2, DType::f64, 0, 3);
    auto* values = coarse.mutable_data<double>();
    for (std::int64_t i = 0; i < coarse.numel(); ++i) values[i] = std::floor(values[i]);
    expect_naive(c, coarse);
  }
}

TEST(AdaptiveMaxPool, Gradcheck) {
  for (const Case& c : all_cases()) {
    const Tensor x = random_tensor(c.sizes.shape(), 4).set_requires_grad();
    const auto result = gradcheck([&](const auto& in) { return adaptive_max_pool2d(in[0], c.output); }, {x});
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(AdaptiveMaxPool, LowPrecisionAndThreads) {
  for (const Extent2d output : {Extent2d(1), Extent2d(3, 4), Extent2d(12)}) {
    const Op op = [&](const std::vector<Tensor>& in) { return adaptive_max_pool2d(in[0], output); };
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      for (const std::int64_t channels : {1, 7, 65}) {
        // Values come out as they went in; a pixel's gradient is that of up to 12 by 12 windows.
        const double eps = 144 * rounding(dtype).rtol;
        expect_like_f64(op, {random_tensor({2, 7, 9, channels}, 1, dtype)}, {{0, 0}, {eps, eps}});
      }
    }
    expect_same_bits_with_threads(op, {random_tensor({5, 33, 31, 80}, 8, DType::f32)});
  }
}

TEST(AdaptiveMaxPool, Errors) {
  EXPECT_EQ(message_of<ShapeError>([] {
              adaptive_max_pool2d(Tensor::zeros({4, 5}), 1);
            }),
            "[adaptive_max_pool2d] input must be (N,H,W,C) with H and W of at least 1: got (4,5)");
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              adaptive_max_pool2d(Tensor::zeros({1, 4, 5, 1}), {2, 0});
            }),
            "[adaptive_max_pool2d] expected output_size of at least 1, got 2x0");
}

TEST(AdaptiveMaxPool, Layer) {
  Module root;
  AdaptiveMaxPool2d pool(root, "pool", {2, 1});
  EXPECT_EQ(pool.kind(), "AdaptiveMaxPool2d");
  EXPECT_EQ(pool(random_tensor({1, 7, 7, 2}, 9)).shape(), (Shape{1, 2, 1, 2}));
  EXPECT_EQ(pool.geometry({1, 7, 7, 2}, {1, 2, 1, 2}).kernel, 3);
  EXPECT_THROW(AdaptiveMaxPool2d(root, "none", 0), std::invalid_argument);
}

}  // namespace
}  // namespace striate

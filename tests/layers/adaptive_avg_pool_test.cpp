#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/random.h"
#include "layers/avg_pool.h"
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
  // Global, identity, dividing, not dividing, larger than the input.
  std::vector<Case> cases = {{{2, 7, 7, 3}, 1}, {{1, 1, 1, 4}, 1},      {{1, 4, 5, 2}, {4, 5}},
                             {{2, 6, 8, 1}, 2}, {{1, 7, 5, 2}, {3, 2}}, {{1, 2, 3, 2}, {5, 4}}};
  RandomSequence draw(random_stream(9, RandomUse::test));
  const auto between = [&](std::int64_t low, std::int64_t high) { return low + draw.below(high - low + 1); };
  for (int i = 0; i < 30; ++i) {
    cases.push_back({{between(1, 2), between(1, 9), between(1, 9), between(1, 3)}, {between(1, 9), between(1, 9)}});
  }
  return cases;
}

std::string describe(const Case& c) { return to_string(c.sizes.shape()) + " to " + to_string(c.output); }

TEST(AdaptiveAvgPool, EqualsTheNaiveOne) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    const Tensor x = random_tensor(c.sizes.shape(), 1);
    const auto naive = naive_adaptive_avg_pool(x.to_vector(), c.sizes, c.output);
    expect_close(adaptive_avg_pool2d(x, c.output), Tensor::from(naive.sizes.shape(), naive.y), 1e-14, 0);
  }
}

TEST(AdaptiveAvgPool, Gradcheck) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    Tensor x = random_tensor(c.sizes.shape(), 4).set_requires_grad();
    const auto result = gradcheck([&](const auto& in) { return adaptive_avg_pool2d(in[0], c.output); }, {x});
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(AdaptiveAvgPool, LowPrecision) {
  for (const Extent2d output : {Extent2d(1), Extent2d(3, 4), Extent2d(12)}) {
    for (const std::int64_t channels : {1, 7, 65}) {
      const auto op = [&](const std::vector<Tensor>& in) { return adaptive_avg_pool2d(in[0], output); };
      // Additions and the division; on the way back 1 / n, the product and additions of at most all windows.
      const auto windows = static_cast<double>(output.height * output.width);
      for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
        expect_within_rounding(op, {random_tensor({2, 7, 9, channels}, 1, dtype)},
                               {{7 * 9, 0, dtype}, {windows + 1, 0, dtype}});
      }
    }
  }
}

TEST(AdaptiveAvgPool, ThreadsDoNotMatter) {
  expect_same_bits_with_threads(
      [](const std::vector<Tensor>& in) {
        return adaptive_avg_pool2d(in[0], {13, 9});
      },
      {random_tensor({5, 33, 31, 80}, 8, DType::f32)});
}

TEST(AdaptiveAvgPool, Errors) {
  EXPECT_EQ(message_of<ShapeError>([] {
              adaptive_avg_pool2d(Tensor::zeros({4, 5}), 1);
            }),
            "[adaptive_avg_pool2d] input must be (N,H,W,C) with H and W of at least 1: got (4,5)");
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              adaptive_avg_pool2d(Tensor::zeros({1, 4, 5, 1}), {2, 0});
            }),
            "[adaptive_avg_pool2d] expected output_size of at least 1, got 2x0");
}

TEST(AdaptiveAvgPool, Layer) {
  Module root;
  AdaptiveAvgPool2d pool(root, "pool", 1);
  EXPECT_EQ(pool.kind(), "AdaptiveAvgPool2d");
  EXPECT_EQ(pool(random_tensor({1, 7, 7, 2}, 9)).shape(), (Shape{1, 1, 1, 2}));
  EXPECT_EQ(pool.geometry({1, 7, 7, 2}, {1, 1, 1, 2}).kernel, 7);
  EXPECT_EQ(pool.geometry({1, 7, 7, 2}, {1, 1, 1, 2}).stride, 7);
  EXPECT_EQ(pool.geometry({1, 1, 1, 2}, {1, 1, 1, 2}).kernel, 1);
  EXPECT_EQ(pool.geometry({1, 2, 2, 2}, {1, 5, 5, 2}).stride, 1);
}

}  // namespace
}  // namespace striate

#include "layers/avg_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/random.h"
#include "tests/support/naive_pool.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using namespace testing_support;

struct Case {
  ImageSizes sizes;
  AvgPool2dOptions options;
};

std::string describe(const Case& c) {
  return "input " + to_string(c.sizes.shape()) + " kernel " + to_string(c.options.kernel_size) + " stride " +
         to_string(c.options.stride.value_or(c.options.kernel_size)) + " padding " + to_string(c.options.padding) +
         (c.options.ceil_mode ? " ceil" : "") + (c.options.count_include_pad ? "" : " exclude pad") + " divisor " +
         std::to_string(c.options.divisor_override.value_or(0));
}

std::vector<Case> pairwise_cases() {
  const std::vector<Extent2d> kernels = {1, 2, 3, {2, 3}};
  const std::vector<std::optional<Extent2d>> strides = {std::nullopt, 1, 2, Extent2d{3, 1}};
  const std::vector<std::optional<std::int64_t>> divisors = {std::nullopt, 5, -2};
  const std::vector<ImageSizes> sizes = {{2, 7, 5, 1}, {1, 6, 9, 3}, {2, 3, 4, 2}};
  std::vector<Case> cases;
  for (const auto& row : pairwise({4, 4, 2, 2, 2, 3, 3})) {
    const auto pick = [&](const auto& values, std::size_t i) { return values[static_cast<std::size_t>(row[i])]; };
    const Extent2d kernel = pick(kernels, 0);
    const Extent2d padding = row[2] == 0 ? Extent2d(0) : Extent2d(kernel.height / 2, kernel.width / 2);
    cases.push_back({pick(sizes, 6),
                     {.kernel_size = kernel,
                      .stride = pick(strides, 1),
                      .padding = padding,
                      .ceil_mode = row[3] == 1,
                      .count_include_pad = row[4] == 0,
                      .divisor_override = pick(divisors, 5)}});
  }
  return cases;
}

std::vector<Case> random_cases(int count) {
  RandomSequence draw(random_stream(8, RandomUse::test));
  const auto between = [&](std::int64_t low, std::int64_t high) { return low + draw.below(high - low + 1); };
  std::vector<Case> cases;
  for (int i = 0; i < count; ++i) {
    const Extent2d kernel{between(1, 4), between(1, 4)};
    cases.push_back({{between(1, 2), kernel.height + between(0, 4), kernel.width + between(0, 4), between(1, 3)},
                     {.kernel_size = kernel,
                      .stride = Extent2d{between(1, 4), between(1, 4)},
                      .padding = {between(0, kernel.height / 2), between(0, kernel.width / 2)},
                      .ceil_mode = between(0, 1) == 1,
                      .count_include_pad = between(0, 1) == 1}});
  }
  return cases;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = pairwise_cases();
  // The last window reaches past the padding.
  cases.push_back({{1, 4, 4, 1}, {.kernel_size = 4, .stride = 3, .padding = 1, .ceil_mode = true}});
  for (const Case& c : random_cases(30)) cases.push_back(c);
  return cases;
}

TEST(AvgPool, EqualsTheNaiveOne) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    const Tensor x = random_tensor(c.sizes.shape(), 1);
    const auto naive = naive_avg_pool(x.to_vector(), c.sizes, c.options);
    expect_close(avg_pool2d(x, c.options), Tensor::from(naive.sizes.shape(), naive.y), 1e-14, 0);
  }
}

TEST(AvgPool, Gradcheck) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    Tensor x = random_tensor(c.sizes.shape(), 4).set_requires_grad();
    const auto result = gradcheck([&](const auto& in) { return avg_pool2d(in[0], c.options); }, {x});
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(AvgPool, LowPrecision) {
  const std::vector<AvgPool2dOptions> options = {{.kernel_size = 2},
                                                 {.kernel_size = 3, .stride = 2, .padding = 1},
                                                 {.kernel_size = {3, 2}, .stride = 1, .ceil_mode = true}};
  for (const auto& option : options) {
    for (const std::int64_t channels : {1, 7, 63, 65, 130}) {
      const auto op = [&](const std::vector<Tensor>& in) { return avg_pool2d(in[0], option); };
      // Additions and the division; on the way back 1 / n, the product and additions of at most as many windows.
      const auto taps = static_cast<double>(option.kernel_size.height * option.kernel_size.width);
      for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
        expect_within_rounding(op, {random_tensor({2, 9, 11, channels}, 1, dtype)},
                               {{taps, 0, dtype}, {taps + 1, 0, dtype}});
      }
    }
  }
}

TEST(AvgPool, ThreadsDoNotMatter) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    expect_same_bits_with_threads(
        [](const std::vector<Tensor>& in) { return avg_pool2d(in[0], {.kernel_size = 3, .stride = 2, .padding = 1}); },
        {random_tensor({5, 33, 31, 40}, 8, dtype)});
  }
}

TEST(AvgPool, Errors) {
  EXPECT_EQ(message_of<ShapeError>([] {
              avg_pool2d(Tensor::zeros({4, 5}), {.kernel_size = 2});
            }),
            "[avg_pool2d] input must be (N,H,W,C): got (4,5)");
  const Tensor x = Tensor::zeros({2, 4, 5, 3});
  EXPECT_EQ(message_of<ShapeError>([&] { avg_pool2d(x, {.kernel_size = 5}); }),
            "[avg_pool2d] the window must fit into the padded input: input (2,4,5,3), kernel_size 5x5, "
            "dilation 1x1, "
            "padding 0x0");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { avg_pool2d(x, {.kernel_size = 2, .padding = 2}); }),
            "[avg_pool2d] expected padding of at most half the kernel_size 2x2, got 2x2");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { avg_pool2d(x, {.kernel_size = 2, .divisor_override = 0}); }),
            "[avg_pool2d] expected a divisor_override other than 0, got 0");
}

TEST(AvgPool, Layer) {
  Module root;
  AvgPool2d pool(root, "pool", {.kernel_size = 2});
  EXPECT_EQ(pool.kind(), "AvgPool2d");
  const Tensor x = random_tensor({1, 7, 8, 2}, 9);
  const Tensor y = pool(x);
  EXPECT_EQ(y.shape(), (Shape{1, 3, 4, 2}));
  EXPECT_EQ(pool.geometry(x.shape(), y.shape()).kernel, 2);
  EXPECT_EQ(pool.geometry(x.shape(), y.shape()).stride, 2);
}

}  // namespace
}  // namespace striate

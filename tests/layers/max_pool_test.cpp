#include "layers/max_pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/error.h"
#include "core/gradcheck.h"
#include "core/random.h"
#include "tests/support/naive_pool.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"

namespace striate {
namespace {

using namespace testing_support;

struct Case {
  ImageSizes sizes;
  MaxPool2dOptions options;
};

std::string describe(const Case& c) {
  return "input " + to_string(c.sizes.shape()) + " kernel " + to_string(c.options.kernel_size) + " stride " +
         to_string(c.options.stride.value_or(c.options.kernel_size)) + " padding " + to_string(c.options.padding) +
         " dilation " + to_string(c.options.dilation) + (c.options.ceil_mode ? " ceil" : "");
}

std::vector<Case> pairwise_cases() {
  const std::vector<Extent2d> kernels = {1, 2, 3, {2, 3}};
  const std::vector<std::optional<Extent2d>> strides = {std::nullopt, 1, 2, Extent2d{3, 1}};
  const std::vector<Extent2d> dilations = {1, 2, {1, 2}};
  const std::vector<ImageSizes> sizes = {{2, 7, 5, 1}, {1, 6, 9, 3}, {2, 5, 8, 2}};
  std::vector<Case> cases;
  for (const auto& row : pairwise({4, 4, 2, 3, 2, 3})) {
    const auto pick = [&](const auto& values, std::size_t i) { return values[static_cast<std::size_t>(row[i])]; };
    const Extent2d kernel = pick(kernels, 0);
    const Extent2d padding = row[2] == 0 ? Extent2d(0) : Extent2d(kernel.height / 2, kernel.width / 2);
    cases.push_back({pick(sizes, 5),
                     {.kernel_size = kernel,
                      .stride = pick(strides, 1),
                      .padding = padding,
                      .dilation = pick(dilations, 3),
                      .ceil_mode = row[4] == 1}});
  }
  return cases;
}

std::vector<Case> random_cases(int count) {
  RandomSequence draw(random_stream(7, RandomUse::test));
  const auto between = [&](std::int64_t low, std::int64_t high) { return low + draw.below(high - low + 1); };
  std::vector<Case> cases;
  for (int i = 0; i < count; ++i) {
    const Extent2d kernel{between(1, 4), between(1, 4)};
    const Extent2d dilation{between(1, 3), between(1, 3)};
    const std::int64_t h = (kernel.height - 1) * dilation.height + between(1, 5);
    const std::int64_t w = (kernel.width - 1) * dilation.width + between(1, 5);
    cases.push_back({{between(1, 2), h, w, between(1, 3)},
                     {.kernel_size = kernel,
                      .stride = Extent2d{between(1, 4), between(1, 4)},
                      .padding = {between(0, kernel.height / 2), between(0, kernel.width / 2)},
                      .dilation = dilation,
                      .ceil_mode = between(0, 1) == 1}});
  }
  return cases;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = pairwise_cases();
  for (const Case& c : random_cases(30)) cases.push_back(c);
  return cases;
}

// Forward, and the gradient that goes to where the maxima came from.
void expect_naive(const Case& c, const Tensor& x) {
  SCOPED_TRACE(describe(c));
  const auto naive = naive_max_pool(x.to_vector(), c.sizes, c.options);
  Tensor leaf = x.clone().set_requires_grad();
  const Tensor y = max_pool2d(leaf, c.options);
  expect_close(y, Tensor::from(naive.sizes.shape(), naive.y), 0, 0);
  const Tensor dy = random_tensor(y.shape(), 3);
  y.backward(dy);
  std::vector<double> dx(c.sizes.count());
  for (std::size_t i = 0; i < naive.source.size(); ++i) {
    if (naive.source[i] < dx.size()) dx[naive.source[i]] += dy.data<double>()[i];
  }
  expect_close(leaf.grad(), Tensor::from(c.sizes.shape(), dx), 1e-14, 0);
}

TEST(MaxPool, EqualsTheNaiveOne) {
  for (const Case& c : all_cases()) expect_naive(c, random_tensor(c.sizes.shape(), 1));
}

TEST(MaxPool, TiesGoToTheFirstInRowMajorOrder) {
  for (const Case& c : all_cases()) {
    // Three different values only.
    Tensor x = random_tensor(c.sizes.shape(), 2, DType::f64, 0, 3);
    auto* values = x.mutable_data<double>();
    for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = std::floor(values[i]);
    expect_naive(c, x);
  }
}

TEST(MaxPool, Gradcheck) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    Tensor x = random_tensor(c.sizes.shape(), 4).set_requires_grad();
    const auto result = gradcheck([&](const auto& in) { return max_pool2d(in[0], c.options); }, {x});
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(MaxPool, ChannelsPastTheTile) {
  for (const std::int64_t channels : {63, 64, 65, 130}) {
    const Case c{{1, 5, 4, channels}, {.kernel_size = 2, .stride = 1}};
    expect_naive(c, random_tensor(c.sizes.shape(), 5));
  }
}

TEST(MaxPool, WindowsOfMoreThan255Taps) {
  const Case c{{2, 20, 18, 3}, {.kernel_size = {17, 16}, .stride = 1}};
  expect_naive(c, random_tensor(c.sizes.shape(), 6));
}

TEST(MaxPool, LowPrecisionIsExact) {
  const std::vector<MaxPool2dOptions> options = {
      {.kernel_size = 2}, {.kernel_size = 3, .stride = 2, .padding = 1}, {.kernel_size = 3, .ceil_mode = true}};
  for (const auto& option : options) {
    for (const std::int64_t channels : {1, 7, 65}) {
      const auto op = [&](const std::vector<Tensor>& in) { return max_pool2d(in[0], option); };
      const double eps = std::numeric_limits<float>::epsilon();
      // Overlapping windows add up to four gradients below 1: three roundings of half an ulp of less than 4, eps.
      expect_like_f64(op, {random_tensor({2, 9, 11, channels}, 1, DType::f32)}, {{0, 0}, {3 * eps, 0}});
      for (const DType dtype : {DType::bf16, DType::f16}) {
        expect_like_f64(op, {random_tensor({2, 9, 11, channels}, 1, dtype)},
                        {{0, 0}, {3 * eps + rounding(dtype).atol, rounding(dtype).rtol}});
      }
    }
  }
}

TEST(MaxPool, NanAndInfinity) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const Case c{{1, 2, 6, 1}, {.kernel_size = 2}};
  // A NaN anywhere wins, of several the last one; all -inf gives the first its gradient.
  expect_naive(c, Tensor::from({1, 2, 6, 1}, std::vector<double>{nan, 9, nan, 1, -inf, -inf,  //
                                                                 1, 2, 3, nan, -inf, -inf}));
  const Case padded{{1, 2, 2, 1}, {.kernel_size = 2, .padding = 1}};
  expect_naive(padded, Tensor::full({1, 2, 2, 1}, -inf, DType::f64));
}

TEST(MaxPool, ThreadsDoNotMatter) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    expect_same_bits_with_threads(
        [](const std::vector<Tensor>& in) { return max_pool2d(in[0], {.kernel_size = 3, .stride = 2, .padding = 1}); },
        {random_tensor({5, 33, 31, 40}, 8, dtype)});
  }
}

TEST(MaxPool, Errors) {
  const Tensor x = Tensor::zeros({2, 4, 5, 3});
  const auto shape = [](const Tensor& in, const MaxPool2dOptions& options) {
    return message_of<ShapeError>([&] { max_pool2d(in, options); });
  };
  EXPECT_EQ(shape(Tensor::zeros({4, 5}), {.kernel_size = 2}), "[max_pool2d] input must be (N,H,W,C): got (4,5)");
  EXPECT_EQ(shape(x, {.kernel_size = 3, .dilation = 2}),
            "[max_pool2d] the window must fit into the padded input: input (2,4,5,3), kernel_size 3x3, dilation "
            "2x2, padding 0x0");
  const auto option = [&](const MaxPool2dOptions& options) {
    return message_of<std::invalid_argument>([&] { max_pool2d(x, options); });
  };
  EXPECT_EQ(option({.kernel_size = 0}), "[max_pool2d] expected kernel_size of at least 1, got 0x0");
  EXPECT_EQ(option({.kernel_size = 2, .stride = Extent2d(1, 0)}),
            "[max_pool2d] expected stride of at least 1, got 1x0");
  EXPECT_EQ(option({.kernel_size = 3, .padding = 2}),
            "[max_pool2d] expected padding of at most half the kernel_size 3x3, got 2x2");
  EXPECT_EQ(option({.kernel_size = 3, .padding = {2, 1}}),
            "[max_pool2d] expected padding of at most half the kernel_size 3x3, got 2x1");
  EXPECT_EQ(option({.kernel_size = 3, .padding = {1, 2}}),
            "[max_pool2d] expected padding of at most half the kernel_size 3x3, got 1x2");
  EXPECT_EQ(option({.kernel_size = 3, .padding = -1}), "[max_pool2d] expected padding of at least 0, got -1x-1");
  EXPECT_EQ(option({.kernel_size = 3, .dilation = 0}), "[max_pool2d] expected dilation of at least 1, got 0x0");
  EXPECT_THROW(max_pool2d(Tensor::zeros({1, 2, 2, 1}, DType::u8), {.kernel_size = 2}), std::invalid_argument);
}

TEST(MaxPool, Layer) {
  Module root;
  MaxPool2d pool(root, "pool", {.kernel_size = 3, .stride = 2, .dilation = 2});
  EXPECT_EQ(pool.kind(), "MaxPool2d");
  const Tensor x = random_tensor({1, 9, 9, 2}, 9);
  const Tensor y = pool(x);
  EXPECT_EQ(y.shape(), (Shape{1, 3, 3, 2}));
  EXPECT_EQ(pool.geometry(x.shape(), y.shape()).kernel, 5);
  EXPECT_EQ(pool.geometry(x.shape(), y.shape()).stride, 2);
}

}  // namespace
}  // namespace striate

#include "layers/conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "tests/support/conv_bounds.h"
#include "tests/support/conv_case.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"

namespace striate {
namespace {

using namespace testing_support;

using Case = ConvCase<Conv2dOptions>;

std::vector<Case> pairwise_cases() {
  const std::vector<Extent2d> kernels = {1, 2, 3, {1, 5}};
  const std::vector<Extent2d> strides = {1, 2, {3, 1}};
  const std::vector<Extent2d> paddings = {0, 1, {2, 3}};
  const std::vector<Extent2d> dilations = {1, 2, {1, 3}};
  const std::vector<std::int64_t> groups = {1, 2, 3};
  std::vector<Case> cases;
  for (const auto& row : pairwise({4, 3, 3, 3, 3, 2, 2})) {
    const auto pick = [&](const auto& values, std::size_t i) { return values[static_cast<std::size_t>(row[i])]; };
    cases.push_back({2,
                     row[5] == 0 ? 7 : 5,
                     row[5] == 0 ? 13 : 14,
                     row[6] == 0 ? 1 : 2,
                     row[6] == 0 ? 3 : 1,
                     {.kernel_size = pick(kernels, 0),
                      .stride = pick(strides, 1),
                      .padding = pick(paddings, 2),
                      .dilation = pick(dilations, 3),
                      .groups = pick(groups, 4),
                      .bias = row[6] == 0}});
  }
  return cases;
}

std::vector<Case> random_cases(int count) {
  RandomSequence draw(random_stream(11, RandomUse::test));
  const auto between = [&](std::int64_t low, std::int64_t high) { return low + draw.below(high - low + 1); };
  std::vector<Case> cases;
  for (int i = 0; i < count; ++i) {
    const Extent2d kernel{between(1, 4), between(1, 4)};
    const Extent2d dilation{between(1, 3), between(1, 3)};
    cases.push_back({between(1, 2),
                     (kernel.height - 1) * dilation.height + between(1, 4),
                     (kernel.width - 1) * dilation.width + between(1, 4),
                     between(1, 3),
                     between(1, 3),
                     {.kernel_size = kernel,
                      .stride = {between(1, 3), between(1, 3)},
                      .padding = {between(0, 4), between(0, 4)},
                      .dilation = dilation,
                      .groups = between(1, 3),
                      .bias = between(0, 1) == 1}});
  }
  return cases;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = pairwise_cases();
  for (const Case& c : random_cases(30)) cases.push_back(c);
  return cases;
}

// Big enough that rows, columns and outputs are split into several blocks.
std::vector<Case> large_cases() {
  return {{3, 19, 17, 17, 100, {.kernel_size = 3, .padding = 1, .bias = false}},
          {2, 33, 31, 3, 20, {.kernel_size = 3, .padding = 1}},
          {5, 4, 4, 130, 70, {.kernel_size = 3, .padding = 1, .bias = false}},
          {9, 2, 2, 200, 33, {.kernel_size = 3, .padding = 1}},
          {2, 24, 23, 8, 16, {.kernel_size = 5, .stride = 2, .padding = 2, .groups = 2}},
          {2, 20, 20, 1, 1, {.kernel_size = 3, .padding = 1, .groups = 24}},
          {4, 16, 16, 64, 64, {.kernel_size = 1, .bias = false}},
          {1, 40, 40, 6, 5, {.kernel_size = 3, .stride = {1, 3}, .padding = 4, .dilation = {4, 2}}}};
}

// The definition, over output positions and without any of the product code's helpers.
std::vector<double> naive(const Case& c, const Shape& out, const std::vector<std::vector<double>>& in) {
  const Conv2dOptions& o = c.options;
  const std::int64_t channels = c.in_per_group * o.groups;
  const std::int64_t outputs = c.out_per_group * o.groups;
  std::vector<double> y;
  for (std::int64_t i = 0; i < numel(out); ++i) {
    const std::int64_t k = i % outputs, q = i / outputs % out[2], p = i / outputs / out[2] % out[1];
    const std::int64_t n = i / outputs / out[2] / out[1];
    double sum = o.bias ? in[2][static_cast<std::size_t>(k)] : 0;
    for (std::int64_t r = 0; r < o.kernel_size.height; ++r) {
      for (std::int64_t s = 0; s < o.kernel_size.width; ++s) {
        const std::int64_t h = p * o.stride.height - o.padding.sides.height + r * o.dilation.height;
        const std::int64_t w = q * o.stride.width - o.padding.sides.width + s * o.dilation.width;
        if (h < 0 || h >= c.h || w < 0 || w >= c.w) continue;
        for (std::int64_t j = 0; j < c.in_per_group; ++j) {
          const std::int64_t from = k / c.out_per_group * c.in_per_group + j;
          sum += in[0][static_cast<std::size_t>(((n * c.h + h) * c.w + w) * channels + from)] *
                 in[1][static_cast<std::size_t>(((r * o.kernel_size.width + s) * c.in_per_group + j) * outputs + k)];
        }
      }
    }
    y.push_back(sum);
  }
  return y;
}

TEST(Conv2d, EqualsItsDefinition) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.describe());
    std::vector<std::vector<double>> values;
    const auto inputs = c.inputs(DType::f64);
    for (const Tensor& input : inputs) values.push_back(input.to_vector());
    const Tensor y = c(inputs);
    expect_close(y, Tensor::from(y.shape(), naive(c, y.shape(), values)), 1e-13, 0);
  }
}

TEST(Conv2d, OutputSizeIsFloored) {
  // The examples of the text: 224 with a 5x5 kernel gives 220, with padding 2 gives 224.
  const Tensor w = Tensor::zeros({5, 5, 1, 1});
  const Tensor x = Tensor::zeros({1, 224, 224, 1});
  EXPECT_EQ(conv2d(x, w).shape(), (Shape{1, 220, 220, 1}));
  EXPECT_EQ(conv2d(x, w, {}, {.padding = 2}).shape(), (Shape{1, 224, 224, 1}));
  EXPECT_EQ(conv2d(x, w, {}, {.stride = 3}).shape(), (Shape{1, 74, 74, 1}));
  EXPECT_EQ(conv2d(x, w, {}, {.dilation = 2}).shape(), (Shape{1, 216, 216, 1}));
}

TEST(Conv2d, Gradcheck) { expect_gradients(all_cases()); }

TEST(Conv2d, ComputesOnlyTheGradientsThatAreWanted) {
  const Case c = large_cases()[0];
  for (std::size_t wanted = 0; wanted < 2; ++wanted) {
    auto inputs = c.inputs(DType::f32);
    inputs[wanted].set_requires_grad();
    const Tensor y = c(inputs);
    y.backward(Tensor::full(y.shape(), 1));
    EXPECT_TRUE(inputs[wanted].grad().defined());
    EXPECT_FALSE(inputs[1 - wanted].grad().defined());
  }
}

template <class T>
Tensor tensor_of(const Shape& shape, const std::vector<T>& values) {
  Tensor result = Tensor::empty(shape, DTypeOf<T>::value);
  std::copy(values.begin(), values.end(), result.mutable_data<T>());
  return result;
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  return {tensor.data<T>(), tensor.data<T>() + tensor.numel()};
}

// The op with the algorithms that it chooses.
template <class T>
void expect_rounding_alone(const Case& c) {
  using W = ConvParameter<T>;
  const Conv2dOptions& o = c.options;
  const ConvGeometry g = conv_geometry(c.n, {c.h, c.w}, c.x()[3], o.kernel_size, c.weight()[3], o.stride,
                                       o.padding.sides, o.dilation, o.groups);
  ConvOperands<T> operands(g);
  std::vector<Tensor> inputs = {tensor_of(c.x(), operands.x), tensor_of(c.weight(), operands.w)};
  if (o.bias) {
    inputs.push_back(tensor_of(c.bias(), operands.bias));
  } else {
    std::fill(operands.bias.begin(), operands.bias.end(), W(0));
  }
  const OpRun run = run_op(c, inputs, tensor_of({g.n, g.p, g.q, g.k}, operands.dy));
  ConvBounds<T>(g, operands)
      .expect_near(nullptr, {values_of<T>(run.y), values_of<T>(run.gradients[0]), values_of<W>(run.gradients[1])});
  if (!o.bias) return;
  // Added in f64, stored in f32.
  const DType stored = DTypeOf<T>::value == DType::f16 ? DType::f16 : DType::f32;
  std::vector<double> sums(operands.bias.size()), allowed;
  for (std::size_t i = 0; i < operands.dy.size(); ++i) {
    sums[i % sums.size()] += static_cast<double>(operands.dy[i]);
  }
  for (const double sum : sums) allowed.push_back(worst_error(DTypeOf<T>::value, {1, 0, stored}, sum, std::abs(sum)));
  expect_within(values_of<W>(run.gradients[2]), sums, allowed);
}

TEST(Conv2d, LowPrecisionStaysWithinTheErrorOfItsArithmetic) {
  std::vector<Case> cases = all_cases();
  for (const Case& c : large_cases()) cases.push_back(c);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.describe());
    expect_rounding_alone<float>(c);
    expect_rounding_alone<bfloat16>(c);
    expect_rounding_alone<float16>(c);
  }
}

// As if an f16 copy of the parameters took part: operands and gradients are what f16 holds.
TEST(Conv2d, F16RoundsParametersAndTheirGradients) {
  const auto in_f16 = [](const Tensor& t) { return converted(converted(t, DType::f16), DType::f32); };
  for (const Case& c : large_cases()) {
    SCOPED_TRACE(c.describe());
    const std::vector<Tensor> inputs = c.inputs(DType::f16);
    const Op op = c;
    const Tensor dy = random_tensor(op(inputs).shape(), 4, DType::f16);
    const OpRun run = run_op(op, inputs, dy);
    std::vector<Tensor> rounded = inputs;
    rounded[1] = in_f16(inputs[1]);
    const OpRun again = run_op(op, rounded, dy);
    expect_same_bits(run.y, again.y);
    for (std::size_t i = 0; i < inputs.size(); ++i) expect_same_bits(run.gradients[i], again.gradients[i]);
    for (std::size_t i = 1; i < inputs.size(); ++i) expect_same_bits(run.gradients[i], in_f16(run.gradients[i]));
  }
}

TEST(Conv2d, ThreadsDoNotMatter) { expect_threads_do_not_matter(large_cases()); }

TEST(Conv2d, AnEmptyBatchGivesAnEmptyOutput) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64}) {
    const Tensor x = Tensor::zeros({0, 7, 6, 3}, dtype).set_requires_grad();
    const Tensor w = Tensor::full({3, 3, 3, 4}, 1, parameter_dtype(dtype)).set_requires_grad();
    const Tensor y = conv2d(x, w);
    EXPECT_EQ(y.shape(), (Shape{0, 5, 4, 4}));
    y.backward(Tensor::zeros(y.shape(), dtype));
    EXPECT_EQ(x.grad().shape(), x.shape());
    EXPECT_EQ(w.grad().to_vector(), std::vector<double>(108, 0.0));
  }
}

TEST(Conv2d, Errors) {
  const Tensor x = Tensor::zeros({8, 32, 32, 3});
  const auto message = [&](const Tensor& w, const Tensor& b, const Conv2dOptions& options) {
    return message_of<ShapeError>([&] { conv2d(x, w, b, options); });
  };
  EXPECT_EQ(message(Tensor::zeros({3, 3, 4, 16}), {}, {}),
            "[conv2d] input channels must equal weight channels * groups: input (8,32,32,3) has 3, weight "
            "(3,3,4,16) * 1 "
            "needs 4");
  EXPECT_EQ(message(Tensor::zeros({3, 3, 1, 16}), {}, {.groups = 3}),
            "[conv2d] output channels must be a multiple of groups: input (8,32,32,3), weight (3,3,1,16) has "
            "16, groups 3");
  EXPECT_EQ(message(Tensor::zeros({3, 3, 3, 16}), Tensor::zeros({15}), {}),
            "[conv2d] bias must be (16): input (8,32,32,3), weight (3,3,3,16), bias (15)");
  EXPECT_EQ(message(Tensor::zeros({17, 3, 3, 16}), {}, {.dilation = 3}),
            "[conv2d] the dilated kernel must fit into the padded input: input (8,32,32,3), weight "
            "(17,3,3,16), padding "
            "0x0, dilation 3x3");
  EXPECT_EQ(message(Tensor::zeros({3, 3, 3}), {}, {}),
            "[conv2d] input must be (N,H,W,C) and weight (R,S,C/groups,K): input (8,32,32,3), weight (3,3,3)");
  EXPECT_THROW(conv2d(x, Tensor::zeros({3, 3, 3, 4}, DType::f64)), std::invalid_argument);
  EXPECT_THROW(conv2d(x, Tensor::zeros({3, 3, 3, 4}), {}, {.stride = 0}), std::invalid_argument);
  EXPECT_THROW(conv2d(x, Tensor::zeros({3, 3, 3, 4}), {}, {.padding = -1}), std::invalid_argument);
}

TEST(Conv2d, LayerNamesItselfInErrors) {
  struct Net : Layer {
    Conv2d stem{*this, "stem", 4, 8, {.kernel_size = {3, 5}}};
    Tensor forward(const Tensor& x) override { return stem(x); }
  } net;
  EXPECT_EQ(net.stem.weight.shape(), (Shape{3, 5, 4, 8}));
  EXPECT_EQ(net.stem.bias.shape(), (Shape{8}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              net(Tensor::zeros({1, 9, 9, 3}));
            }),
            "stem: [conv2d] input channels must equal weight channels * groups: input (1,9,9,3) has 3, "
            "weight (3,5,4,8) * "
            "1 needs 4");
  Module root;
  EXPECT_THROW(Conv2d(root, "odd", 3, 8, {.groups = 2}), std::invalid_argument);
  EXPECT_TRUE(root.children().empty());
}

}  // namespace
}  // namespace striate

#include "layers/conv_transpose2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/profile.h"
#include "core/state.h"
#include "layers/conv/kernels.h"
#include "tests/support/conv_case.h"
#include "tests/support/errors.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using namespace testing_support;

using Case = ConvCase<ConvTranspose2dOptions>;

std::vector<Case> all_cases() {
  const std::vector<Extent2d> kernels = {1, 2, 3, {1, 5}, 4};
  const std::vector<Extent2d> strides = {1, 2, {3, 1}};
  const std::vector<Extent2d> paddings = {0, 1, {2, 1}};
  const std::vector<Extent2d> dilations = {1, 2, {1, 3}};
  const std::vector<std::int64_t> groups = {1, 2, 3};
  std::vector<Case> cases;
  for (const auto& row : pairwise({5, 3, 3, 3, 3, 3, 2, 2})) {
    const auto pick = [&](const auto& values, std::size_t i) { return values[static_cast<std::size_t>(row[i])]; };
    const Extent2d stride = pick(strides, 1);
    const Extent2d dilation = pick(dilations, 3);
    const Extent2d most(std::max(stride.height, dilation.height) - 1, std::max(stride.width, dilation.width) - 1);
    cases.push_back({2,
                     row[6] == 0 ? 5 : 6,
                     row[6] == 0 ? 7 : 4,
                     row[7] == 0 ? 1 : 3,
                     row[7] == 0 ? 3 : 2,
                     {.kernel_size = pick(kernels, 0),
                      .stride = stride,
                      .padding = pick(paddings, 2),
                      .output_padding = row[5] == 0   ? Extent2d(0)
                                        : row[5] == 1 ? most
                                                      : Extent2d(most.height, 0),
                      .dilation = dilation,
                      .groups = pick(groups, 4),
                      .bias = row[7] == 0}});
  }
  return cases;
}

// Big enough that work is split into several blocks.
std::vector<Case> large_cases() {
  return {{3, 19, 17, 100, 17, {.kernel_size = 3, .padding = 1, .bias = false}},
          {2, 16, 15, 33, 20, {.kernel_size = 2, .stride = 2}},
          {5, 4, 4, 130, 70, {.kernel_size = 4, .stride = 2, .padding = 1, .bias = false}},
          {2, 12, 11, 8, 16, {.kernel_size = 5, .stride = 3, .padding = 2, .output_padding = 2, .groups = 2}},
          {2, 20, 20, 1, 1, {.kernel_size = 4, .stride = 2, .padding = 1, .groups = 24}},
          {4, 16, 16, 64, 64, {.kernel_size = 1, .bias = false}}};
}

// The definition, over input positions: each sends its value, times the kernel, to the outputs around it.
std::vector<double> naive(const Case& c, const Shape& out, const std::vector<Tensor>& in) {
  const ConvTranspose2dOptions& o = c.options;
  const std::int64_t inputs = c.x()[3];
  const auto* x = in[0].data<double>();
  const auto* w = in[1].data<double>();
  std::vector<double> y(static_cast<std::size_t>(numel(out)));
  for (std::size_t i = 0; o.bias && i < y.size(); ++i)
    y[i] = in[2].data<double>()[i % static_cast<std::size_t>(out[3])];
  for (std::int64_t i = 0; i < in[0].numel(); ++i) {
    const std::int64_t from = i % inputs, column = i / inputs % c.w, row = i / inputs / c.w % c.h;
    const std::int64_t n = i / inputs / c.w / c.h;
    for (std::int64_t j = 0; j < in[1].numel() / inputs; ++j) {
      const std::int64_t k = j % c.out_per_group, s = j / c.out_per_group % o.kernel_size.width;
      const std::int64_t r = j / c.out_per_group / o.kernel_size.width;
      const std::int64_t p = row * o.stride.height - o.padding.height + r * o.dilation.height;
      const std::int64_t q = column * o.stride.width - o.padding.width + s * o.dilation.width;
      if (p < 0 || p >= out[1] || q < 0 || q >= out[2]) continue;
      const std::int64_t to = from / c.in_per_group * c.out_per_group + k;
      y[static_cast<std::size_t>(((n * out[1] + p) * out[2] + q) * out[3] + to)] += x[i] * w[j * inputs + from];
    }
  }
  return y;
}

TEST(ConvTranspose2d, EqualsItsDefinition) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.describe());
    const auto inputs = c.inputs(DType::f64);
    const Tensor y = c(inputs);
    const auto size = [&](std::int64_t in, std::int64_t Extent2d::*side) {
      const ConvTranspose2dOptions& o = c.options;
      return (in - 1) * o.stride.*side - 2 * o.padding.*side + o.dilation.*side * (o.kernel_size.*side - 1) +
             o.output_padding.*side + 1;
    };
    ASSERT_EQ(y.shape(), (Shape{c.n, size(c.h, &Extent2d::height), size(c.w, &Extent2d::width), c.bias()[0]}));
    expect_close(y, Tensor::from(y.shape(), naive(c, y.shape(), inputs)), 1e-13, 0);
  }
}

TEST(ConvTranspose2d, Gradcheck) { expect_gradients(all_cases()); }

// <conv2d(u), v> = <u, conv_transpose2d(v)>, with one weight.
TEST(ConvTranspose2d, IsTheTransposeOfConv2d) {
  const Conv2dOptions options{.stride = 2, .padding = 1, .dilation = 2, .groups = 2};
  const Tensor u = random_tensor({2, 11, 9, 6}, 1), w = random_tensor({3, 2, 3, 4}, 2);
  const Tensor y = conv2d(u, w, {}, options);
  const Tensor v = random_tensor(y.shape(), 3);
  const Tensor back =
      conv_transpose2d(v, w, {}, {.stride = 2, .padding = 1, .output_padding = {0, 0}, .dilation = 2, .groups = 2});
  ASSERT_EQ(back.shape(), u.shape());
  double left = 0, right = 0;
  for (std::int64_t i = 0; i < y.numel(); ++i) left += y.data<double>()[i] * v.data<double>()[i];
  for (std::int64_t i = 0; i < u.numel(); ++i) right += u.data<double>()[i] * back.data<double>()[i];
  EXPECT_NEAR(left, right, 1e-12 * std::abs(left));
}

// By the kernels that have one path for every shape; that the others equal them is conv_kernels_test.cpp's.
TEST(ConvTranspose2d, LowPrecisionStaysWithinRounding) {
  const ConvAlgorithmOverride convolutions(&conv_by::im2col);
  std::vector<Case> cases = all_cases();
  for (const Case& c : large_cases()) cases.push_back(c);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.describe());
    const Op op = c;
    const auto taps = static_cast<double>(c.options.kernel_size.height * c.options.kernel_size.width);
    const double y = taps * static_cast<double>(c.in_per_group) + 1, dx = taps * static_cast<double>(c.out_per_group);
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      const int operands = dtype == DType::f32 ? 0 : 1;
      const DType parameters = dtype == DType::f16 ? DType::f16 : DType::f32;
      const std::vector<Tensor> inputs = c.inputs(dtype);
      const auto dw = static_cast<double>(c.n * c.h * c.w);
      std::vector<Roundings> paths = {{y, operands, dtype}, {dx, operands, dtype}, {dw, 0, parameters}};
      if (c.options.bias) paths.push_back({1, 0, parameters});
      expect_within_rounding(op, inputs, paths);
    }
  }
}

TEST(ConvTranspose2d, ThreadsDoNotMatter) { expect_threads_do_not_matter(large_cases()); }

TEST(ConvTranspose2d, AnEmptyBatchGivesAnEmptyOutput) {
  const Tensor x = Tensor::zeros({0, 7, 6, 3}).set_requires_grad();
  const Tensor w = Tensor::full({3, 3, 4, 3}, 1).set_requires_grad();
  const Tensor y = conv_transpose2d(x, w, {}, {.stride = 2});
  EXPECT_EQ(y.shape(), (Shape{0, 15, 13, 4}));
  y.backward(Tensor::zeros(y.shape()));
  EXPECT_EQ(x.grad().shape(), x.shape());
  EXPECT_EQ(w.grad().to_vector(), std::vector<double>(108, 0.0));
}

TEST(ConvTranspose2d, Errors) {
  const Tensor x = Tensor::zeros({8, 5, 4, 6});
  const auto message = [&](const Tensor& w, const Tensor& b, const ConvTranspose2dOptions& options) {
    return message_of<std::invalid_argument>([&] { conv_transpose2d(x, w, b, options); });
  };
  EXPECT_EQ(message(Tensor::zeros({3, 3, 4, 16}), {}, {}),
            "[conv_transpose2d] input channels must equal weight channels: input (8,5,4,6) has 6, weight (3,3,4,16) "
            "needs 16");
  EXPECT_EQ(message(Tensor::zeros({3, 3, 1, 6}), {}, {.groups = 4}),
            "[conv_transpose2d] input channels must be a multiple of groups: input (8,5,4,6), weight (3,3,1,6) has 6, "
            "groups 4");
  EXPECT_EQ(message(Tensor::zeros({3, 3, 2, 6}), Tensor::zeros({6}), {.groups = 2}),
            "[conv_transpose2d] bias must be (4): input (8,5,4,6), weight (3,3,2,6), bias (6)");
  EXPECT_EQ(message(Tensor::zeros({3, 3, 6}), {}, {}),
            "[conv_transpose2d] input must be (N,H,W,C) and weight (R,S,K/groups,C): input (8,5,4,6), weight (3,3,6)");
  EXPECT_EQ(message(Tensor::zeros({1, 1, 2, 6}), {}, {.padding = {0, 2}}),
            "[conv_transpose2d] (input - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1 must be at "
            "least 1, and input too: input (8,5,4,6), weight (1,1,2,6), padding 0x2, dilation 1x1, stride 1x1, "
            "output_padding 0x0");
  EXPECT_EQ(message(Tensor::zeros({3, 3, 2, 6}), {}, {.stride = 2, .output_padding = {1, 2}}),
            "[conv_transpose2d] expected output_padding less than stride or dilation, got 1x2");
  EXPECT_THROW(conv_transpose2d(x, Tensor::zeros({3, 3, 2, 6}, DType::f64)), std::invalid_argument);
  EXPECT_THROW(conv_transpose2d(x, Tensor::zeros({3, 3, 0, 6})), ShapeError);
}

TEST(ConvTranspose2d, Layer) {
  Module root;
  ConvTranspose2d up(root, "up", 6, 4, {.kernel_size = {3, 2}, .stride = 2, .output_padding = 1, .groups = 2});
  EXPECT_EQ(up.kind(), "ConvTranspose2d");
  EXPECT_EQ(up.weight.shape(), (Shape{3, 2, 2, 6}));
  EXPECT_EQ(up.bias.shape(), (Shape{4}));
  const FileState state = state_of(root);
  EXPECT_EQ(state[0].first, "up.weight");
  EXPECT_EQ(state[0].second.shape(), (Shape{6, 2, 3, 2}));
  for (const double value : up.weight.to_vector()) EXPECT_LE(std::abs(value), 1 / std::sqrt(2.0 * 3 * 2));
  const Tensor y = up(Tensor::zeros({1, 5, 4, 6}));
  EXPECT_EQ(y.shape(), (Shape{1, 12, 9, 4}));
  const LayerGeometry geometry = up.geometry({1, 5, 4, 6}, y.shape());
  EXPECT_EQ(geometry.multiply_adds, 5 * 4 * 6 * 3 * 2 * 2);
  EXPECT_EQ(geometry.upscale, 2);
  EXPECT_EQ(geometry.kernel, 2);
  EXPECT_THROW(ConvTranspose2d(root, "odd", 6, 3, {.groups = 2}), std::invalid_argument);
  EXPECT_THROW(ConvTranspose2d(root, "odd", 6, 3, {.output_padding = 1}), std::invalid_argument);
}

// By what they are to the layer, not by the kernels' directions.
TEST(ConvTranspose2d, ProfilesNameItsPasses) {
  Module root;
  ConvTranspose2d up(root, "up", 6, 4, {.kernel_size = 2, .stride = 2});
  const Tensor x = random_tensor({1, 5, 4, 6}, 1, DType::f32).set_requires_grad();
  Profiler profiler;
  const Tensor y = up(x);
  std::vector<std::string> parts;
  const auto see = [&] {
    for (const ProfileRow& row : profiler.take_rows()) {
      if (!row.detail.empty()) parts.push_back(row.where + " " + row.part);
    }
  };
  see();
  y.backward(random_tensor(y.shape(), 2, DType::f32));
  see();
  EXPECT_EQ(parts, (std::vector<std::string>{"up forward", "up backward-weights", "up backward-data"}));
}

}  // namespace
}  // namespace striate

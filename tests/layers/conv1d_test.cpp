// Convolutions and pools along one axis: what they are is that of 2-d ones of height 1.
#include "layers/conv1d.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/reshape.h"
#include "core/state.h"
#include "layers/batch_norm.h"
#include "layers/conv_transpose2d.h"
#include "layers/pool1d.h"
#include "layers/sequential.h"
#include "tests/support/errors.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"

namespace striate {
namespace {

using namespace testing_support;

Tensor image(const Tensor& x) { return reshape(x, {x.size(0), 1, x.size(1), x.size(2)}); }
Tensor sequence(const Tensor& x) { return reshape(x, {x.size(0), x.size(2), x.size(3)}); }
Tensor filter(const Tensor& w) { return reshape(w, {1, w.size(0), w.size(1), w.size(2)}); }

// Both ops on x (2,14,6), w (S,·,·) and b, forward and backward.
void expect_same(const Op& line, const Op& flat, const std::vector<Shape>& shapes, DType dtype) {
  std::vector<Tensor> inputs = {random_tensor(shapes[0], 1, dtype)};
  for (std::size_t i = 1; i < shapes.size(); ++i)
    inputs.push_back(random_tensor(shapes[i], i + 1, parameter_dtype(dtype)));
  const Tensor dy = random_tensor(line(inputs).shape(), 9, dtype);
  const OpRun a = run_op(line, inputs, dy);
  const OpRun b = run_op(flat, inputs, dy);
  expect_same_bits(a.y, b.y);
  for (std::size_t i = 0; i < inputs.size(); ++i) expect_same_bits(a.gradients[i], b.gradients[i]);
}

TEST(Conv1d, IsConv2dOfHeightOne) {
  for (const auto& row : pairwise({4, 2, 2, 2, 2, 4})) {
    const std::int64_t kernel = row[0] + 1, stride = row[1] + 1, padding = 2 * row[2], dilation = row[3] + 1;
    const std::int64_t groups = row[4] + 1;
    SCOPED_TRACE("kernel " + std::to_string(kernel) + " stride " + std::to_string(stride) + " padding " +
                 std::to_string(padding) + " dilation " + std::to_string(dilation) + " groups " +
                 std::to_string(groups));
    const Op conv = [=](const auto& in) { return conv1d(in[0], in[1], in[2], {1, stride, padding, dilation, groups}); };
    const Op conv_flat = [=](const auto& in) {
      return sequence(
          conv2d(image(in[0]), filter(in[1]), in[2], {1, {1, stride}, {0, padding}, {1, dilation}, groups}));
    };
    const Op up = [=](const auto& in) {
      return conv_transpose1d(in[0], in[1], in[2], {1, stride, padding, stride - 1, dilation, groups});
    };
    const Op up_flat = [=](const auto& in) {
      return sequence(conv_transpose2d(image(in[0]), filter(in[1]), in[2],
                                       {1, {1, stride}, {0, padding}, {0, stride - 1}, {1, dilation}, groups}));
    };
    const DType dtype = std::vector{DType::f32, DType::f64, DType::bf16, DType::f16}[static_cast<std::size_t>(row[5])];
    const Shape x = {2, 14, 6};
    expect_same(conv, conv_flat, {x, {kernel, 6 / groups, 4}, {4}}, dtype);
    expect_same(up, up_flat, {x, {kernel, 4 / groups, 6}, {4}}, dtype);
    if (dtype != DType::f64) continue;
    for (const auto& [op, w] : {std::pair(conv, Shape{kernel, 6 / groups, 4}), {up, Shape{kernel, 4 / groups, 6}}}) {
      std::vector<Tensor> inputs = {random_tensor(x, 1), random_tensor(w, 2), random_tensor({4}, 3)};
      for (Tensor& input : inputs) input.set_requires_grad();
      const auto result = gradcheck(op, inputs);
      EXPECT_TRUE(result) << result.message;
    }
  }
}

TEST(Conv1d, Errors) {
  const Tensor x = Tensor::zeros({8, 32, 3});
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv1d(x, Tensor::zeros({5, 4, 6}));
            }),
            "[conv1d] input channels must equal weight channels * groups: input (8,32,3) has 3, weight (5,4,6) * 1 "
            "needs 4");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv1d(Tensor::zeros({8, 1, 32, 3}), Tensor::zeros({5, 3, 6}));
            }),
            "[conv1d] input must be (N,L,C) and weight (S,C/groups,K): input (8,1,32,3), weight (5,3,6)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv1d(x, Tensor::zeros({17, 3, 6}), {}, {.dilation = 3});
            }),
            "[conv1d] the dilated kernel must fit into the padded input: input (8,32,3), weight (17,3,6), padding 0x0, "
            "dilation 1x3");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv_transpose1d(x, Tensor::zeros({5, 3}));
            }),
            "[conv_transpose1d] input must be (N,L,C) and weight (S,K/groups,C): input (8,32,3), weight (5,3)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              max_pool1d(Tensor::zeros({8, 1, 32, 3}), {.kernel_size = 2});
            }),
            "[max_pool1d] input must be (N,L,C): got (8,1,32,3)");
  EXPECT_EQ(message_of<ShapeError>([&] { max_pool1d(x, {.kernel_size = 33}); }),
            "[max_pool1d] the window must fit into the padded input: input (8,1,32,3), kernel_size 1x33, dilation 1x1, "
            "padding 0x0");
  Module root;
  EXPECT_EQ(message_of<std::invalid_argument>([&] { AvgPool1d(root, "pool", {.kernel_size = 2, .stride = 0}); }),
            "[avg_pool1d] expected stride of at least 1, got 1x0");
}

TEST(Conv1d, LayersOfSequences) {
  Module root;
  Sequential net(root, "net");
  net.add<Conv1d>(1, 6, Conv1dOptions{.kernel_size = 9, .stride = 4, .bias = false});
  net.add<BatchNorm1d>(6);
  net.add<MaxPool1d>(MaxPool1dOptions{.kernel_size = 2});
  net.add<ConvTranspose1d>(6, 4, ConvTranspose1dOptions{.kernel_size = 4, .stride = 2, .padding = 1});
  net.add<AvgPool1d>(AvgPool1dOptions{.kernel_size = 3, .stride = 1, .padding = 1});
  net.add<AdaptiveAvgPool1d>(1);
  std::vector<std::pair<std::string, Shape>> files;
  for (const auto& [name, tensor] : state_of(net)) files.emplace_back(name, tensor.shape());
  EXPECT_EQ(files, (std::vector<std::pair<std::string, Shape>>{{"0.weight", {6, 1, 9}},
                                                               {"1.weight", {6}},
                                                               {"1.bias", {6}},
                                                               {"3.weight", {6, 4, 4}},
                                                               {"3.bias", {4}},
                                                               {"1.running_mean", {6}},
                                                               {"1.running_var", {6}},
                                                               {"1.num_batches_tracked", {}}}));
  std::vector<std::pair<std::string, Shape>> outputs;
  {
    const LayerObserver observer(
        [&](const Layer& layer, const Tensor&, const Tensor& y) { outputs.emplace_back(layer.kind(), y.shape()); });
    net(random_tensor({2, 129, 1}, 1, DType::f32));
  }
  EXPECT_EQ(outputs, (std::vector<std::pair<std::string, Shape>>{{"Conv1d", {2, 31, 6}},
                                                                 {"BatchNorm1d", {2, 31, 6}},
                                                                 {"MaxPool1d", {2, 15, 6}},
                                                                 {"ConvTranspose1d", {2, 30, 4}},
                                                                 {"AvgPool1d", {2, 30, 4}},
                                                                 {"AdaptiveAvgPool1d", {2, 1, 4}},
                                                                 {"Sequential", {2, 1, 4}}}));
}

}  // namespace
}  // namespace striate

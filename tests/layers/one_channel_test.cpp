// Grey pictures: every layer with one channel in, and with one channel out.
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/gradcheck.h"
#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "layers/softmax.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

Op convolution(const Conv2dOptions& options) {
  return [options](const std::vector<Tensor>& in) { return conv2d(in[0], in[1], {}, options); };
}

TEST(OneChannel, EveryLayer) {
  const std::vector<std::pair<std::string, Op>> ops = {
      {"batch_norm", [](const auto& in) { return batch_norm(in[0], {}, {}, {}, {}, {.training = true}); }},
      {"max_pool2d", [](const auto& in) { return max_pool2d(in[0], {.kernel_size = 2}); }},
      {"avg_pool2d", [](const auto& in) { return avg_pool2d(in[0], {.kernel_size = 3, .stride = 2, .padding = 1}); }},
      {"adaptive_avg_pool2d", [](const auto& in) { return adaptive_avg_pool2d(in[0], 3); }},
      {"flatten", [](const auto& in) { return flatten(in[0]); }},
      {"relu", [](const auto& in) { return relu(in[0]); }},
      {"gelu", [](const auto& in) { return gelu(in[0]); }},
      {"softmax", [](const auto& in) { return softmax(in[0]); }},
      {"log_softmax", [](const auto& in) { return log_softmax(in[0]); }},
  };
  for (const auto& [name, op] : ops) {
    SCOPED_TRACE(name);
    const auto result = gradcheck(op, {random_tensor({2, 7, 5, 1}, 1).set_requires_grad()});
    EXPECT_TRUE(result) << result.message;
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      const double eps = 4 * rounding(dtype).rtol;
      expect_like_f64(op, {random_tensor({2, 28, 27, 1}, 2, dtype)}, {{eps, eps}, {eps, eps}});
    }
  }
}

TEST(OneChannel, Convolutions) {
  for (const auto& [c, k] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 6}, {1, 64}, {6, 1}, {64, 1}}) {
    for (const auto& [kernel, stride, padding] :
         {std::tuple<std::int64_t, std::int64_t, std::int64_t>{1, 1, 0}, {3, 1, 1}, {3, 2, 1}, {5, 1, 2}, {7, 2, 3}}) {
      SCOPED_TRACE(std::to_string(c) + " to " + std::to_string(k) + ", kernel " + std::to_string(kernel));
      const Op op = convolution({.kernel_size = kernel, .stride = stride, .padding = padding});
      const double eps = 1e-6 * static_cast<double>(28 * 28 * (c + k));
      expect_like_f64(
          op, {random_tensor({2, 28, 27, c}, 1, DType::f32), random_tensor({kernel, kernel, c, k}, 2, DType::f32)},
          {{eps, 1e-5}, {eps, 1e-5}, {eps, 1e-5}});
    }
  }
}

TEST(OneChannel, LayersInOneNet) {
  struct Net : Layer {
    Conv2d conv{*this, "conv", 1, 1, {.kernel_size = 3, .padding = 1}};
    BatchNorm2d norm{*this, "norm", 1};
    MaxPool2d pool{*this, "pool", {.kernel_size = 2}};
    Dropout dropout{*this, "dropout", 0.5};
    Linear fc{*this, "fc", 14 * 14, 10};
    Tensor forward(const Tensor& x) override { return fc(dropout(flatten(pool(relu(norm(conv(x))))))); }
  };
  Net net;
  const Tensor y = net(random_tensor({4, 28, 28, 1}, 1, DType::f32));
  EXPECT_EQ(y.shape(), (Shape{4, 10}));
  y.backward(Tensor::full({4, 10}, 1));
  EXPECT_EQ(net.conv.weight.grad().shape(), (Shape{3, 3, 1, 1}));
}

}  // namespace
}  // namespace striate

// What no op may be harmed by: sizes and options at the ends of their types, tensors without elements, without memory
// or of other types, and running out of memory. A new op is a row in ops(), an option of it a row in options().
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/matmul.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/reduce.h"
#include "core/reshape.h"
#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/batch_norm.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "layers/cross_entropy.h"
#include "layers/distillation.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/init.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "layers/pad.h"
#include "layers/pool1d.h"
#include "layers/softmax.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

struct NamedOp {
  std::string name;
  std::function<Tensor(const Tensor&)> op;
};

Tensor filters(const Shape& shape) { return random_tensor(shape, 7, DType::f32).set_requires_grad(); }

// For x (3,6,5,4) and whatever has zeros in some of these sizes.
std::vector<NamedOp> ops() {
  const auto per_channel = [](double value) { return Tensor::full({4}, value); };
  return {
      {"conv2d",
       [](auto& x) {
         return conv2d(x, filters({3, 3, 4, 6}), filters({6}), {.padding = 1});
       }},
      {"conv2d",
       [](auto& x) {
         return conv2d(x, filters({1, 1, 4, 6}), {}, {.stride = 2});
       }},
      {"conv2d",
       [](auto& x) {
         return conv2d(x, filters({3, 3, 1, 8}), {}, {.padding = 2, .groups = 4});
       }},
      {"conv2d",
       [](auto& x) {
         return conv2d(x, filters({2, 3, 2, 6}), {}, {.dilation = 2, .groups = 2});
       }},
      {"conv2d",
       [](auto& x) {
         return conv2d(x, filters({2, 3, 4, 6}), {},
                       {.padding = Padding::same(), .padding_mode = PaddingMode::reflect});
       }},
      {"conv_transpose2d",
       [](auto& x) {
         return conv_transpose2d(x, filters({3, 3, 6, 4}), filters({6}), {.stride = 2, .padding = 1});
       }},
      {"conv_transpose2d",
       [](auto& x) {
         return conv_transpose2d(x, filters({3, 2, 1, 4}), {}, {.stride = 2, .output_padding = 1, .groups = 4});
       }},
      {"conv1d",
       [](auto& x) {
         return conv1d(reshape(x, {x.numel() / 20, 5, 4}), filters({3, 4, 6}), filters({6}));
       }},
      {"max_pool1d",
       [](auto& x) {
         return max_pool1d(reshape(x, {x.numel() / 20, 5, 4}), {.kernel_size = 2});
       }},
      {"pad",
       [](auto& x) {
         return pad(x, {1, 0, 2, 1}, PaddingMode::circular);
       }},
      {"relu", [](auto& x) { return relu(x); }},
      {"leaky_relu", [](auto& x) { return leaky_relu(x); }},
      {"sigmoid", [](auto& x) { return sigmoid(x); }},
      {"tanh", [](auto& x) { return tanh(x); }},
      {"silu", [](auto& x) { return silu(x); }},
      {"gelu", [](auto& x) { return gelu(x); }},
      {"batch_norm", [=](auto& x) { return batch_norm(x, per_channel(1), {}, {}, {}, {.training = true}); }},
      {"batch_norm", [=](auto& x) { return batch_norm(x, {}, per_channel(1), per_channel(0), per_channel(1), {}); }},
      {"max_pool2d", [](auto& x) { return max_pool2d(x, {.kernel_size = 2}); }},
      {"avg_pool2d", [](auto& x) { return avg_pool2d(x, {.kernel_size = 3, .stride = 2, .padding = 1}); }},
      {"adaptive_avg_pool2d",
       [](auto& x) {
         return adaptive_avg_pool2d(x, {2, 7});
       }},
      {"adaptive_max_pool2d",
       [](auto& x) {
         return adaptive_max_pool2d(x, {2, 7});
       }},
      {"softmax", [](auto& x) { return softmax(x); }},
      {"log_softmax", [](auto& x) { return log_softmax(x); }},
      {"dropout", [](auto& x) { return dropout(x, 0.5, true); }},
      {"flatten", [](auto& x) { return flatten(x); }},
      {"linear",
       [](auto& x) {
         return linear(reshape(x, {x.numel() / 4, 4}), filters({4, 5}), filters({5}));
       }},
      {"matmul",
       [](auto& x) {
         return matmul(reshape(x, {x.numel() / 4, 4}), filters({4, 5}));
       }},
      {"cross_entropy",
       [](auto& x) {
         const std::int64_t rows = x.numel() / 4;
         return cross_entropy(reshape(x, {rows, 4}), Tensor::full({rows}, 3, DType::i64));
       }},
      {"distillation_loss",
       [](auto& x) {
         const Tensor rows = reshape(x, {x.numel() / 4, 4});
         return distillation_loss(rows, rows, 2);
       }},
      {"add", [](auto& x) { return x + filters({4}); }},
      {"mul", [](auto& x) { return x * x; }},
      {"div",
       [](auto& x) {
         return x / filters({6, 1, 1});
       }},
      {"affine", [](auto& x) { return 2 * x + 1; }},
      {"exp", [](auto& x) { return exp(x); }},
      {"cast", [](auto& x) { return cast(x, DType::bf16); }},
      {"sum",
       [](auto& x) {
         return sum(x, {Axis::height, Axis::channels});
       }},
      {"mean", [](auto& x) { return mean(x); }},
      {"reshape",
       [](auto& x) {
         return reshape(x, {x.numel(), 1});
       }},
      {"concat",
       [](auto& x) {
         return concat({x, x}, Axis::width);
       }},
      {"slice", [](auto& x) { return slice(x, Axis::height, 1, 2); }},
  };
}

// What came of an op on x: the output and the gradient of x.
std::vector<Tensor> run(const NamedOp& op, const Tensor& x) {
  manual_seed(5);  // for dropout
  const Tensor leaf = x.clone().set_requires_grad();
  const Tensor y = op.op(leaf);
  y.backward(Tensor::full(y.shape(), 1, y.dtype()));
  return {y.detach(), leaf.grad()};
}

TEST(Extremes, NoElements) {
  for (const NamedOp& op : ops()) {
    for (const Shape& shape : {Shape{0, 6, 5, 4}, Shape{3, 0, 5, 4}, Shape{3, 6, 0, 4}, Shape{3, 6, 5, 0}, Shape{0},
                               Shape{}, Shape{0, 0, 0, 0}, Shape{0, std::int64_t{1} << 58, 1, 4},
                               Shape{0, std::int64_t{1} << 29, std::int64_t{1} << 28, 4}}) {
      SCOPED_TRACE(op.name + " of " + to_string(shape));
      try {
        const std::vector<Tensor> results = run(op, Tensor::zeros(shape));
        EXPECT_EQ(results[1].shape(), shape);
      } catch (const std::invalid_argument& error) {
        EXPECT_EQ(std::string(error.what()).substr(0, 1), "[") << error.what();
      }
    }
  }
}

TEST(Extremes, NoTensorAndOtherTypes) {
  Tensor moved = Tensor::zeros({3, 6, 5, 4});
  const Tensor taken = std::move(moved);
  for (const NamedOp& op : ops()) {
    SCOPED_TRACE(op.name);
    EXPECT_THROW(op.op(Tensor()), std::invalid_argument);
    EXPECT_THROW(op.op(moved), std::invalid_argument);  // NOLINT(bugprone-use-after-move): this is the question
    for (const DType dtype : {DType::i64, DType::u8}) {
      if (op.name == "reshape" || op.name == "concat" || op.name == "slice") continue;  // they only move elements
      expect_error<std::invalid_argument>([&] { op.op(Tensor::zeros({3, 6, 5, 4}, dtype)); }, {"["});
    }
  }
  const Tensor x = Tensor::zeros({3, 6, 5, 4});
  EXPECT_THROW(conv2d(x, {}), std::invalid_argument);
  EXPECT_THROW(linear(Tensor::zeros({3, 4}), {}, {}), std::invalid_argument);
  EXPECT_THROW(cross_entropy(Tensor::zeros({3, 4}), {}), std::invalid_argument);
  EXPECT_THROW(add(x, {}), std::invalid_argument);
  EXPECT_THROW(concat({x, {}}, Axis::width), std::invalid_argument);
}

TEST(Extremes, OutOfMemoryLeavesAllAsItWas) {
  const Tensor x = random_tensor({3, 6, 5, 4}, 1, DType::f32);
  const Threads one(1);  // limits are a thread's own
  for (const NamedOp& op : ops()) {
    SCOPED_TRACE(op.name);
    const std::vector<Tensor> expected = run(op, x);
    for (std::size_t bytes = 0, failures = 1; failures > 0; bytes += std::max<std::size_t>(512, bytes / 16)) {
      failures = 0;
      try {
        const AllocationLimit limit(bytes);
        run(op, x);
      } catch (const std::bad_alloc&) {
        ++failures;
      }
    }
    const std::vector<Tensor> again = run(op, x);
    for (std::size_t i = 0; i < again.size(); ++i) expect_same_bits(again[i], expected[i]);
  }
}

TEST(Extremes, OutOfMemoryInFusedLayers) {
  struct Block : Layer {
    Conv2d conv{*this, "conv", 4, 8, {.kernel_size = 3, .padding = 1}};
    BatchNorm2d norm{*this, "norm", 8};
    Tensor forward(const Tensor& x) override { return relu(norm(conv(x))); }
  };
  Block block;
  block.eval();
  const NoGradGuard no_grad;
  const Threads one(1);
  const Tensor x = random_tensor({3, 6, 5, 4}, 1, DType::f32);
  const Tensor expected = block(x);
  int failures = 0;
  for (std::size_t bytes = 0; bytes < (1U << 20U); bytes += std::max<std::size_t>(512, bytes / 16)) {
    try {
      const AllocationLimit limit(bytes);
      expect_same_bits(block(x), expected);
    } catch (const std::bad_alloc&) {
      ++failures;
    }
  }
  EXPECT_GT(failures, 0);
  expect_same_bits(block(x), expected);
}

// An option at the ends of its type is refused, or, where a value makes sense, done.
struct Option {
  std::string name;
  std::function<void(std::int64_t)> run;
};

// What a summary asks of a layer.
void summarised(const Layer& layer) { static_cast<void>(layer.geometry({1, 6, 5, 4}, {1, 1, 1, 6})); }

std::vector<Option> options() {
  const Tensor x = Tensor::zeros({1, 6, 5, 4});
  const auto conv = [](std::int64_t images, std::int64_t kernel_size, const Conv2dOptions& o) {
    conv2d(Tensor::zeros({images, 6, 5, 4}), filters({kernel_size, kernel_size, 4, 6}), {}, o);
  };
  const auto up = [=](const ConvTranspose2dOptions& o) { conv_transpose2d(x, filters({3, 3, 6, 4}), {}, o); };
  const auto in = [](auto make) {
    return [make](std::int64_t value) {
      Module root;
      make(root, value);
    };
  };
  return {
      {"conv2d stride", [=](auto v) { conv(1, 3, {.stride = v}); }},
      {"conv2d padding", [=](auto v) { conv(1, 3, {.padding = v}); }},
      {"conv2d padding of none", [=](auto v) { conv(0, 3, {.padding = v}); }},
      {"conv2d dilation", [=](auto v) { conv(1, 3, {.dilation = v}); }},
      {"conv2d dilation of one tap", [=](auto v) { conv(1, 1, {.dilation = v}); }},
      {"conv2d groups", [=](auto v) { conv(1, 3, {.groups = v}); }},
      {"Conv2d kernel_size", in([](Module& m, auto v) { Conv2d(m, "c", 4, 6, {.kernel_size = v}); })},
      {"Conv2d stride", in([](Module& m, auto v) { summarised(Conv2d(m, "c", 4, 6, {.stride = v})); })},
      {"Conv2d dilation",
       in([](Module& m, auto v) { summarised(Conv2d(m, "c", 4, 6, {.kernel_size = 3, .dilation = v})); })},
      {"Conv2d in_channels", in([](Module& m, auto v) { Conv2d(m, "c", v, 6, {}); })},
      {"Conv2d out_channels", in([](Module& m, auto v) { Conv2d(m, "c", 4, v, {}); })},
      {"Conv2d groups", in([](Module& m, auto v) { Conv2d(m, "c", 4, 6, {.groups = v}); })},
      {"conv_transpose2d stride", [=](auto v) { up({.stride = v}); }},
      {"conv_transpose2d stride of none",
       [](auto v) {
         conv_transpose2d(Tensor::zeros({0, std::int64_t{1} << 50, 1, 4}), filters({3, 3, 6, 4}), {}, {.stride = v});
       }},
      {"conv_transpose2d padding", [=](auto v) { up({.padding = v}); }},
      {"conv_transpose2d output_padding", [=](auto v) { up({.stride = v, .output_padding = v - (v > 0 ? 1 : 0)}); }},
      {"conv_transpose2d dilation", [=](auto v) { up({.dilation = v}); }},
      {"conv_transpose2d groups", [=](auto v) { up({.groups = v}); }},
      {"ConvTranspose2d",
       in([](Module& m, auto v) { summarised(ConvTranspose2d(m, "c", 4, 6, {.kernel_size = 3, .stride = v})); })},
      {"conv1d padding",
       [](auto v) {
         conv1d(Tensor::zeros({1, 6, 4}), filters({3, 4, 6}), {}, {.padding = v});
       }},
      {"pad",
       [=](auto v) {
         pad(x, {v, 0, 0, v}, PaddingMode::replicate);
       }},
      {"pad of none",
       [](auto v) {
         pad(Tensor::zeros({0, 6, 5, 4}), {v, v, v, v});
       }},
      {"adaptive_max_pool2d", [=](auto v) { adaptive_max_pool2d(x, v); }},
      {"max_pool2d kernel_size", [=](auto v) { max_pool2d(x, {.kernel_size = v, .stride = 1}); }},
      {"max_pool2d kernel_size and padding",
       [=](auto v) { max_pool2d(x, {.kernel_size = v, .stride = 1, .padding = v / 2}); }},
      {"max_pool2d stride", [=](auto v) { max_pool2d(x, {.kernel_size = 2, .stride = v, .ceil_mode = true}); }},
      {"max_pool2d padding", [=](auto v) { max_pool2d(x, {.kernel_size = 2, .padding = v}); }},
      {"max_pool2d dilation", [=](auto v) { max_pool2d(x, {.kernel_size = 2, .dilation = v}); }},
      {"MaxPool2d", in([](Module& m, auto v) { summarised(MaxPool2d(m, "p", {.kernel_size = v, .dilation = v})); })},
      {"avg_pool2d kernel_size", [=](auto v) { avg_pool2d(x, {.kernel_size = v, .stride = 1}); }},
      {"avg_pool2d kernel_size and padding",
       [=](auto v) { avg_pool2d(x, {.kernel_size = v, .padding = v / 2, .ceil_mode = true}); }},
      {"avg_pool2d stride", [=](auto v) { avg_pool2d(x, {.kernel_size = 2, .stride = v, .ceil_mode = true}); }},
      {"avg_pool2d padding", [=](auto v) { avg_pool2d(x, {.kernel_size = 2, .padding = v}); }},
      {"avg_pool2d divisor_override", [=](auto v) { avg_pool2d(x, {.kernel_size = 2, .divisor_override = v}); }},
      {"AvgPool2d", in([](Module& m, auto v) { summarised(AvgPool2d(m, "p", {.kernel_size = v, .stride = v})); })},
      {"adaptive_avg_pool2d", [=](auto v) { adaptive_avg_pool2d(x, v); }},
      {"adaptive_avg_pool2d of none",
       [=](auto v) {
         adaptive_avg_pool2d(Tensor::zeros({0, 6, 5, 4}), {v, 1});
       }},
      {"Linear in", in([](Module& m, auto v) { Linear(m, "l", v, 4); })},
      {"Linear out", in([](Module& m, auto v) { Linear(m, "l", 4, v); })},
      {"BatchNorm2d", in([](Module& m, auto v) { BatchNorm2d(m, "n", v); })},
      {"cross_entropy label",
       [](auto v) {
         cross_entropy(Tensor::zeros({1, 4}), Tensor::from({1}, std::vector<std::int64_t>{v}));
       }},
      {"count_correct label",
       [](auto v) {
         count_correct(Tensor::zeros({1, 4}), Tensor::from({1}, std::vector<std::int64_t>{v}));
       }},
      {"empty", [](auto v) { Tensor::empty({v}); }},
      {"zeros",
       [](auto v) {
         Tensor::zeros({0, v, v});
       }},
      {"from",
       [](auto v) {
         Tensor::from({v, v}, std::vector<float>{1});
       }},
      {"reshape",
       [=](auto v) {
         reshape(x, {v, v});
       }},
      {"reshape to a size unknown",
       [=](auto v) {
         reshape(x, {v, -1});
       }},
      {"concat",
       [](auto v) {
         concat(std::vector<Tensor>(40, Tensor::zeros({0, 1, v, 1})), Axis::width);
       }},
      {"slice", [=](auto v) { slice(x, Axis::height, v, v); }},
      {"slice to the end", [=](auto v) { slice(x, Axis::height, 0, v); }},
      {"fan_of",
       [](auto v) {
         fan_of({v, v, 3, 3});
       }},
      {"permutation",
       [](auto v) {
         if (v < 1 << 20) permutation({}, v);
       }},
      {"parallel_for count", [](auto v) { parallel_for(v, std::max<std::int64_t>(1, v / 3), [](auto, auto) {}); }},
      {"parallel_for grain", [](auto v) { parallel_for(10, v, [](auto, auto) {}); }},
      {"parallel_for both", [](auto v) { parallel_for(v, v, [](auto begin, auto end) { EXPECT_LT(begin, end); }); }},
  };
}

TEST(Extremes, Options) {
  for (const Option& option : options()) {
    for (const std::int64_t value :
         {kMost, kMost - 1, std::int64_t{1} << 62, std::int64_t{3} << 60, std::int64_t{1} << 59, std::int64_t{1} << 40,
          std::int64_t{1} << 32, std::int64_t{1} << 31, std::int64_t{0}, std::int64_t{-1}, -(std::int64_t{1} << 31),
          -(std::int64_t{1} << 62), kLeast + 1, kLeast}) {
      SCOPED_TRACE(option.name + " " + std::to_string(value));
      const AllocationLimit limit(std::size_t{1} << 24);
      try {
        option.run(value);
      } catch (const std::bad_alloc&) {
      } catch (const std::out_of_range& error) {
        EXPECT_EQ(std::string(error.what()).substr(0, 1), "[") << error.what();
      } catch (const std::invalid_argument& error) {
        EXPECT_EQ(std::string(error.what()).substr(0, 1), "[") << error.what();
      }
    }
  }
}

TEST(Extremes, Reals) {
  const Tensor x = random_tensor({3, 6, 5, 4}, 1, DType::f32);
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double value : {inf, -inf, nan, -1.0, 1e300}) {
    SCOPED_TRACE(value);
    const auto refused = [](auto&& f) { expect_error<std::invalid_argument>(f, {"] expected ", ", got "}); };
    refused([&] { dropout(x, value, true); });
    refused([&] { cross_entropy(Tensor::zeros({1, 4}), Tensor::zeros({1, 4}), {.label_smoothing = value}); });
    if (value < 0 || std::isnan(value)) {
      refused([&] { batch_norm(x, {}, {}, {}, {}, {.training = true, .eps = value}); });
      refused([&] { distillation_loss(Tensor::zeros({1, 4}), Tensor::zeros({1, 4}), value); });
    }
    for (const DType dtype : {DType::i64, DType::u8, DType::f16}) {
      Tensor cast = Tensor::full({2}, value, dtype);
      cast.copy_from(Tensor::full({2}, value, DType::f64));
      cast.copy_from(Tensor::full({2}, value, DType::bf16));
    }
  }
  EXPECT_EQ(Tensor::full({1}, inf, DType::i64).item(), static_cast<double>(kMost));
  EXPECT_EQ(Tensor::full({1}, -1, DType::u8).item(), 0);
  EXPECT_EQ(Tensor::full({1}, nan, DType::i64).item(), 0);
  const Tensor undecided = Tensor::full({2, 3}, nan);
  EXPECT_LE(count_correct(undecided, Tensor::zeros({2}, DType::i64)), 2);
  EXPECT_TRUE(std::isnan(softmax(undecided).to_vector()[0]));
}

}  // namespace
}  // namespace striate

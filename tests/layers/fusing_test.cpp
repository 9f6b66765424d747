// core/deferred.h with the ops that use it: what is fused when, and that nobody sees a difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/autograd.h"
#include "core/deferred.h"
#include "core/elementwise.h"
#include "core/reshape.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "layers/sequential.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

// A convolution, a norm, and what a test does with them in forward().
struct Net : Layer {
  using Forward = std::function<Tensor(Net&, const Tensor&)>;

  explicit Net(Forward f) : f_(std::move(f)) {
    norm.weight.copy_from(random_tensor({17}, 1, DType::f32, -1.5, 1.5));
    norm.bias.copy_from(random_tensor({17}, 2, DType::f32, -1, 1));
    norm.running_mean.copy_from(random_tensor({17}, 3, DType::f32, -1, 1));
    norm.running_var.copy_from(random_tensor({17}, 4, DType::f32, 0.5, 2));
    conv.weight.copy_from(random_tensor({3, 3, 3, 17}, 5, DType::f32, -1, 1));
    conv.bias.copy_from(random_tensor({17}, 8, DType::f32, -1, 1));
    eval();
  }
  Tensor forward(const Tensor& x) override { return f_(*this, x); }
  // The same with nothing fused.
  Tensor unfused(const Tensor& x) {
    const LayerObserver observer([](const Layer&, const Tensor&, const Tensor&) {});
    return (*this)(x);
  }

  Conv2d conv{*this, "conv", 3, 17, {.kernel_size = 3, .padding = 1}};
  BatchNorm2d norm{*this, "norm", 17};
  Tensor kept;

 private:
  Forward f_;
};

Tensor image() { return random_tensor({2, 24, 24, 3}, 6, DType::f32); }

Tensor all_three(Net& net, const Tensor& x) { return relu(net.norm(net.conv(x))); }
Tensor with_relu6(Net& net, const Tensor& x) { return relu6(net.norm(net.conv(x))); }

// How many bytes a call has at once.
std::size_t peak_of(Layer& net, const Tensor& x) {
  net(x);
  reset_peak_bytes();
  const std::size_t before = allocator_stats().live_bytes;
  net(x);
  return allocator_stats().peak_bytes - before;
}

TEST(Fusing, ChangesNoBits) {
  const Tensor x = image();
  for (const auto& forward : {all_three, with_relu6}) {
    for (const bool training : {false, true}) {
      for (const bool records : {false, true}) {
        const GradModeGuard mode(records);
        Net net(forward);
        Net twin(forward);
        for (Net* each : {&net, &twin}) {
          each->norm.weight.copy_from(random_tensor({17}, 1, DType::f32, 5, 10));  // so that some pass 6
          each->train(training);
        }
        const Tensor y = net(x);
        expect_same_bits(y, twin.unfused(x));
        expect_same_bits(net.norm.running_var, twin.norm.running_var);
        EXPECT_EQ(net.norm.num_batches_tracked.item(), training ? 1 : 0);
        EXPECT_EQ(y.requires_grad(), records);
      }
    }
  }
}

TEST(Fusing, ConvolutionsTakeTheirNormsInEvaluationWithoutGradients) {
  // Large enough for the allocator to give what is asked for, not a block that is left from something else.
  release_cached_blocks();
  const Tensor x = random_tensor({4, 64, 64, 3}, 6, DType::f32);
  const std::size_t y = 4 * 64 * 64 * 17 * sizeof(float);
  const std::size_t rest = y / 2;  // of kernels
  Net net(all_three);
  Net six(with_relu6);
  Net alone([](Net& n, const Tensor& in) { return n.norm(n.conv(in)); });
  Net sequence([](Net&, const Tensor& in) { return in; });
  Sequential body(sequence, "body");
  body.add<Conv2d>(3, 17, Conv2dOptions{.kernel_size = 3, .padding = 1});
  body.add<BatchNorm2d>(17);
  body.add<ReLU>();
  body.eval();
  {
    const NoGradGuard no_grad;
    EXPECT_LT(peak_of(net, x), y + rest);
    EXPECT_LT(peak_of(six, x), y + rest);
    EXPECT_LT(peak_of(alone, x), y + rest);
    EXPECT_LT(peak_of(body, x), y + rest);
    EXPECT_LT(peak_of(net, x), y + rest);
  }
  // The norm needs its input for the way back, and relu takes the norm alone.
  EXPECT_GT(peak_of(net, x), 2 * y);
  EXPECT_LT(peak_of(net, x), 3 * y);
  net.train();
  EXPECT_GT(peak_of(net, x), 2 * y);
  EXPECT_LT(peak_of(net, x), 3 * y);
}

// Transposed and 1-d convolutions fuse as conv2d does: the same bits, and in evaluation no memory beside the output's.
template <class Conv, class Norm, class Options>
void expect_fuses(const Options& options, const Tensor& x, std::size_t y_bytes) {
  struct Block : Layer {
    explicit Block(const Options& o) : conv(*this, "conv", 3, 17, o) {
      norm.running_mean.copy_from(random_tensor({17}, 3, DType::f32, -1, 1));
      norm.running_var.copy_from(random_tensor({17}, 4, DType::f32, 0.5, 2));
    }
    Tensor forward(const Tensor& in) override { return relu(norm(conv(in))); }
    Conv conv;
    Norm norm{*this, "norm", 17};
  };
  release_cached_blocks();
  Block block(options);
  block.eval();
  const auto unfused = [&] {
    const LayerObserver observer([](const Layer&, const Tensor&, const Tensor&) {});
    return block(x);
  };
  EXPECT_TRUE(block(x).requires_grad());
  expect_same_bits(block(x), unfused());
  const NoGradGuard no_grad;
  expect_same_bits(block(x), unfused());
  EXPECT_LT(peak_of(block, x), y_bytes + y_bytes / 2);
}

TEST(Fusing, TransposedAndOneDimensionalConvolutions) {
  const std::size_t y = 4 * 64 * 64 * 17 * sizeof(float);
  const Tensor images = random_tensor({4, 32, 32, 3}, 6, DType::f32);
  expect_fuses<ConvTranspose2d, BatchNorm2d>(ConvTranspose2dOptions{.kernel_size = 2, .stride = 2}, images, y);
  expect_fuses<ConvTranspose2d, BatchNorm2d>(ConvTranspose2dOptions{.kernel_size = 3, .padding = 1},
                                             random_tensor({4, 64, 64, 3}, 6, DType::f32), y);
  expect_fuses<Conv1d, BatchNorm1d>(Conv1dOptions{.kernel_size = 9, .padding = 4},
                                    random_tensor({4, 4096, 3}, 6, DType::f32), y);
  expect_fuses<ConvTranspose1d, BatchNorm1d>(ConvTranspose1dOptions{.kernel_size = 4, .stride = 4},
                                             random_tensor({4, 1024, 3}, 6, DType::f32), y);
}

// What was taken over and is used all the same is computed then.
TEST(Fusing, OutputsMayBeUsedTwice) {
  for (const bool training : {false, true}) {
    const NoGradGuard no_grad;
    Net net([](Net& n, const Tensor& in) {
      const Tensor c = n.conv(in);
      const Tensor normed = n.norm(c);
      const Tensor y = relu(normed);
      return y + normed * c;
    });
    net.train(training);
    const Tensor x = image();
    expect_same_bits(net(x), net.unfused(x));
  }
}

TEST(Fusing, GradientsOfOutputsThatAreUsedTwice) {
  for (const bool training : {false, true}) {
    const Net::Forward twice = [](Net& n, const Tensor& in) {
      const Tensor normed = n.norm(n.conv(in));
      return relu(normed) + normed;
    };
    Net net(twice);
    Net twin(twice);
    net.train(training);
    twin.train(training);
    const Tensor dy = random_tensor({2, 24, 24, 17}, 7, DType::f32);
    net(image()).backward(dy);
    twin.unfused(image()).backward(dy);
    expect_close(net.conv.weight.grad(), twin.conv.weight.grad(), 1e-3, 1e-4);
    expect_close(net.norm.weight.grad(), twin.norm.weight.grad(), 1e-3, 1e-4);
    expect_close(net.norm.bias.grad(), twin.norm.bias.grad(), 1e-3, 1e-4);
  }
}

// Whatever is written to meanwhile, outputs are of what stood there when the op was called.
TEST(Fusing, WritesInBetweenComeTooLate) {
  const NoGradGuard no_grad;
  const auto change = [](Net& n, Tensor& x) {
    for (Tensor* tensor : {&n.conv.weight, &n.conv.bias, &n.norm.weight, &n.norm.running_mean, &x}) {
      tensor->copy_from(*tensor * 3);
    }
  };
  for (int taken = 0; taken < 3; ++taken) {
    const Net::Forward f = [&](Net& n, const Tensor& in) {
      Tensor x = in;
      const Tensor c = n.conv(x);
      const Tensor normed = taken > 0 ? n.norm(c) : c;
      const Tensor y = taken > 1 ? relu(normed) : normed;
      change(n, x);
      return y + normed + c;
    };
    Net net(f);
    Net twin(f);
    expect_same_bits(net(image()), twin.unfused(image()));
  }
}

TEST(Fusing, NothingIsLeftAfterTheOutermostCall) {
  const NoGradGuard no_grad;
  Net net([](Net& n, const Tensor& in) {
    n.kept = n.norm(n.conv(in));
    return relu(n.kept);
  });
  Tensor x = image();
  auto* values = x.mutable_data<float>();
  const Tensor y = net(x);
  std::fill_n(values, x.numel(), 0.0F);  // as a loop does that keeps the pointer to its buffer
  expect_same_bits(relu(net.kept), y);
  EXPECT_FALSE(DeferScope::defers());
  EXPECT_EQ(net.norm(net.conv(x)).deferred_step(), nullptr);
}

TEST(Fusing, FollowsTheGraph) {
  const Tensor x = image();
  // Outside the graph, whatever the mode of the next op.
  Net no_grad_first([](Net& n, const Tensor& in) {
    const NoGradGuard no_grad;
    const Tensor normed = n.norm(n.conv(in));
    const GradModeGuard records(true);
    return relu(normed);
  });
  EXPECT_FALSE(no_grad_first(x).requires_grad());
  Net no_grad_last([](Net& n, const Tensor& in) {
    const Tensor normed = n.norm(n.conv(in));
    const NoGradGuard no_grad;
    return relu(normed);
  });
  EXPECT_FALSE(no_grad_last(x).requires_grad());
  Net detached([](Net& n, const Tensor& in) { return relu(n.norm(n.conv(in)).detach()); });
  EXPECT_FALSE(detached(x).requires_grad());
  expect_same_bits(detached(x), detached.unfused(x));
  Net reshaped([](Net& n, const Tensor& in) { return relu(reshape(n.norm(n.conv(in)), {2, -1})); });
  EXPECT_EQ(reshaped(x).shape(), (Shape{2, 24 * 24 * 17}));
  expect_same_bits(reshaped(x), reshaped.unfused(x));
  // A leaf has its own gradient.
  Net leaf([](Net& n, const Tensor& in) {
    {
      const NoGradGuard no_grad;
      n.kept = n.norm(n.conv(in)).set_requires_grad();
    }
    return relu(n.kept);
  });
  const Tensor y = leaf(x);
  y.backward(Tensor::full(y.shape(), 1));
  EXPECT_EQ(leaf.kept.grad().shape(), y.shape());
  EXPECT_FALSE(leaf.norm.weight.grad().defined());
}

// A user's class may do something else in forward().
template <class L>
struct Negated : L {
  using L::L;
  Tensor forward(const Tensor& x) override { return -L::forward(x); }
};

TEST(Fusing, TakesDerivedLayersAsTheyAre) {
  Sequential body;
  body.add<Negated<Conv2d>>(3, 5, Conv2dOptions{.kernel_size = 3});
  body.add<Negated<BatchNorm2d>>(5);
  body.add<ReLU>();
  for (const bool training : {true, false}) {
    body.train(training);
    const Tensor x = image();
    Tensor y = x;
    for (std::size_t i = 0; i < body.size(); ++i) y = body[i](y);
    expect_same_bits(body(x), y);
  }
}

TEST(Fusing, ErrorsComeAtTheCall) {
  Net net([](Net& n, const Tensor& in) {
    EXPECT_THROW(n.conv(Tensor::zeros({1, 4, 4, 2})), ShapeError);
    EXPECT_THROW(n.norm(Tensor::zeros({1, 4, 4, 2})), ShapeError);
    BatchNorm2d other(n, "other", 5);
    other.eval();
    EXPECT_EQ(message_of<ShapeError>([&] { other(n.conv(in)); }),
              "other: [batch_norm] weight must have one value per channel: input (2,24,24,17) has 17, weight is (5)");
    return all_three(n, in);
  });
  const NoGradGuard no_grad;
  expect_same_bits(net(image()), Net(all_three)(image()));
}

TEST(Fusing, AnyThreadMayReadFirst) {
  const NoGradGuard no_grad;
  const Tensor x = image();
  const Tensor expected = Net([](Net& n, const Tensor& in) { return n.norm(n.conv(in)); }).unfused(x);
  Net net([&](Net& n, const Tensor& in) {
    const Tensor y = n.norm(n.conv(in));
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) readers.emplace_back([&] { expect_same_bits(y, expected); });
    for (std::thread& reader : readers) reader.join();
    return y;
  });
  net(x);
}

TEST(Fusing, OtherPrecisions) {
  for (const auto& [parameters, activations] : {std::pair{DType::f64, DType::f64}, {DType::f32, DType::bf16}}) {
    for (const bool training : {false, true}) {
      const NoGradGuard no_grad;
      Net net(all_three);
      net.to(parameters);
      net.train(training);
      const Tensor x = converted(image(), activations);
      const Tensor fused = net(x);
      // One rounding less in low precision, between convolution and norm; conv_epilogue_test.cpp has its bounds.
      if (training || activations == DType::f64) expect_same_bits(fused, net.unfused(x));
      EXPECT_EQ(fused.dtype(), activations);
    }
  }
}

}  // namespace
}  // namespace striate

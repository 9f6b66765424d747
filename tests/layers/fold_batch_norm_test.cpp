#include "layers/fold_batch_norm.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "layers/relu.h"
#include "layers/sequential.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;  // NOLINT(google-build-using-namespace)

void randomise(Tensor& values, std::uint64_t seed, double low, double high) {
  if (values.defined()) values.copy_from(random_tensor(values.shape(), seed, DType::f64, low, high));
}

struct Net : Module {
  Sequential body{*this, "body"};
  Conv2d* conv;
  BatchNorm2d* norm;

  Net(std::int64_t in, std::int64_t out, const Conv2dOptions& options, bool relu,
      const BatchNorm2dOptions& norm_options = {})
      : conv(&body.add<Conv2d>(in, out, options)), norm(&body.add<BatchNorm2d>(out, norm_options)) {
    if (relu) body.add<ReLU>();
    randomise(norm->weight, 1, -1.5, 1.5);
    randomise(norm->bias, 2, -1, 1);
    randomise(norm->running_mean, 3, -1, 1);
    randomise(norm->running_var, 4, 0.5, 2);
    eval();
  }

  // Layer by layer, as an observer makes it run.
  Tensor unfolded(const Tensor& x) {
    const LayerObserver observer([](const Layer&, const Tensor&, const Tensor&) {});
    return body(x);
  }
};

const std::vector<Conv2dOptions> convolutions = {
    {.kernel_size = 3, .padding = 1, .bias = false},
    {.kernel_size = 3, .padding = 1},
    {.kernel_size = 1},
    {.kernel_size = {3, 2}, .stride = 2, .padding = 1, .groups = 2},
};

TEST(FoldBatchNorm, EqualsTheLayersOneByOne) {
  for (const Conv2dOptions& options : convolutions) {
    for (const bool relu : {false, true}) {
      for (const bool affine : {true, false}) {
        for (const auto& [dtype, activations] :
             {std::pair{DType::f64, DType::f64}, {DType::f32, DType::f32}, {DType::f32, DType::bf16}}) {
          SCOPED_TRACE(to_string(options.kernel_size) + (relu ? " relu" : "") + (affine ? " affine " : " ") +
                       to_string(activations));
          Net net(34, 18, options, relu, {.affine = affine});
          net.to(dtype);
          const NoGradGuard no_grad;
          const Tensor x = random_tensor({2, 9, 7, 34}, 5, activations);
          const Tensor folded = net.body(x);
          EXPECT_EQ(folded.dtype(), activations);
          // A convolution's output is below 20 and |scale| below 1.5 / sqrt(0.5). In bf16 two roundings fall
          // away, of the convolution's output and of the weights, of which there are 9 * 34 below 0.06 each.
          const double eps = activations == DType::f64    ? std::numeric_limits<double>::epsilon()
                             : activations == DType::bf16 ? 1.0 / 256
                                                          : std::numeric_limits<float>::epsilon();
          expect_close(folded, net.unfolded(x), (activations == DType::bf16 ? 4 : 64) * eps, 2 * eps);
        }
      }
    }
  }
}

TEST(FoldBatchNorm, IsCloserInLowPrecision) {
  Net net(40, 24, {.kernel_size = 3, .padding = 1}, true);
  const NoGradGuard no_grad;
  const Tensor x = random_tensor({2, 8, 8, 40}, 5, DType::bf16);
  const Tensor folded = net.body(x);
  const Tensor unfolded = net.unfolded(x);
  const std::vector<double> exact = net.unfolded(converted(x, DType::f32)).to_vector();
  const auto squared_error = [&](const Tensor& y) {
    double sum = 0;
    const std::vector<double> values = y.to_vector();
    for (std::size_t i = 0; i < exact.size(); ++i) sum += (values[i] - exact[i]) * (values[i] - exact[i]);
    return sum;
  };
  EXPECT_LT(squared_error(folded), squared_error(unfolded));
}

TEST(FoldBatchNorm, WeightsAndBias) {
  Module root;
  Conv2d conv(root, "conv", 1, 2, {.kernel_size = 1});
  BatchNorm2d norm(root, "norm", 2, {.eps = 1});
  conv.weight.copy_from(Tensor::from({1, 1, 1, 2}, std::vector<float>{3, 5}));
  conv.bias.copy_from(Tensor::from({2}, std::vector<float>{1, 0}));
  norm.weight.copy_from(Tensor::from({2}, std::vector<float>{2, -1}));
  norm.bias.copy_from(Tensor::from({2}, std::vector<float>{0.5, 7}));
  norm.running_mean.copy_from(Tensor::from({2}, std::vector<float>{4, 2}));
  norm.running_var.copy_from(Tensor::from({2}, std::vector<float>{3, 15}));
  const FoldedConv folded = fold(conv, norm);
  EXPECT_EQ(folded.weight.to_vector(), (std::vector<double>{3, -1.25}));
  EXPECT_EQ(folded.bias.to_vector(), (std::vector<double>{-2.5, 7.5}));
}

TEST(FoldBatchNorm, OnlyWhereItIsTheSame) {
  const Tensor x = random_tensor({2, 4, 4, 3}, 5, DType::f32);
  Net net(3, 5, {.kernel_size = 3}, true);
  EXPECT_FALSE(can_fold(*net.conv, *net.norm, x)) << "recording";
  const NoGradGuard no_grad;
  EXPECT_TRUE(can_fold(*net.conv, *net.norm, x));
  net.norm->train();
  EXPECT_FALSE(can_fold(*net.conv, *net.norm, x)) << "training";
  net.norm->eval();
  Module root;
  EXPECT_FALSE(can_fold(*net.conv, BatchNorm2d(root, "other", 4), x)) << "another number of channels";
  BatchNorm2d untracked(root, "untracked", 5, {.track_running_stats = false});
  untracked.eval();
  EXPECT_FALSE(can_fold(*net.conv, untracked, x)) << "statistics of the batch";
  net.norm->to(DType::f64);
  EXPECT_FALSE(can_fold(*net.conv, *net.norm, x)) << "another dtype";
}

TEST(FoldBatchNorm, NeitherRecordedNorTrainingResultsChange) {
  Tensor x = random_tensor({2, 6, 6, 3}, 5, DType::f32);
  Net net(3, 5, {.kernel_size = 3}, true);
  expect_same_bits(net.body(x), net.unfolded(x));
  EXPECT_TRUE(net.body(x).requires_grad());
  for (const NamedTensor& parameter : net.parameters()) Tensor(parameter.value).set_requires_grad(false);
  EXPECT_TRUE(net.body(x.set_requires_grad()).requires_grad()) << "a gradient of the input alone";
  const NoGradGuard no_grad;
  net.train();
  expect_same_bits(net.body(x), net.unfolded(x));
  EXPECT_EQ(net.norm->num_batches_tracked.item(), 2);
}

TEST(FoldBatchNorm, SeesChangedWeights) {
  const Tensor x = random_tensor({1, 4, 4, 3}, 5, DType::f32);
  Net net(3, 5, {.kernel_size = 1}, false);
  const NoGradGuard no_grad;
  const Tensor before = net.body(x);
  randomise(net.norm->running_mean, 9, 2, 3);
  const Tensor after = net.body(x);
  EXPECT_FALSE(same_bits(before, after));
  expect_close(after, net.unfolded(x), 1e-5, 1e-5);
}

TEST(FoldBatchNorm, ErrorsNameTheLayer) {
  Net net(3, 5, {.kernel_size = 3}, true);
  const NoGradGuard no_grad;
  EXPECT_EQ(message_of<ShapeError>([&] { net.body(Tensor::zeros({4, 5})); }).find("body.0: [conv2d]"), 0U);
}

TEST(FoldBatchNorm, ThreadsDoNotMatter) {
  Net net(64, 128, {.kernel_size = 3, .padding = 1}, true);
  const NoGradGuard no_grad;
  const Tensor x = random_tensor({4, 8, 8, 64}, 5, DType::f32);
  expect_same_bits_with_threads([&] { return std::vector<Tensor>{net.body(x)}; });
}

}  // namespace
}  // namespace striate

#include "layers/sequential.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/error.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/flatten.h"
#include "layers/max_pool.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

struct Net : Module {
  Sequential features{*this, "features"};
  Net() {
    features.add<BatchNorm2d>(3, BatchNorm2dOptions{.eps = 0.5});
    features.add<ReLU>();
    features.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 2});
  }
};

TEST(Sequential, RunsItsLayersInOrder) {
  Net net;
  net.eval();
  const Tensor x = random_tensor({2, 4, 4, 3}, 1, DType::f32);
  Tensor expected = x;
  for (std::size_t i = 0; i < net.features.size(); ++i) expected = net.features[i](expected);
  EXPECT_EQ(net.features.size(), 3U);
  EXPECT_EQ(net.features.kind(), "Sequential");
  EXPECT_EQ(net.features[2].kind(), "MaxPool2d");
  EXPECT_TRUE(same_bits(net.features(x), expected));
  EXPECT_THROW(net.features[3], std::out_of_range);
}

TEST(Sequential, ObserversSeeEveryLayer) {
  Net net;
  std::vector<std::string> seen;
  const Tensor x = random_tensor({2, 4, 4, 3}, 1, DType::f32);
  const Tensor alone = net.features(x);
  const LayerObserver observer([&](const Layer& layer, const Tensor&, const Tensor& y) {
    seen.push_back(layer.kind());
    if (layer.kind() == "BatchNorm2d") {
      const std::vector<double> values = y.to_vector();
      EXPECT_LT(*std::min_element(values.begin(), values.end()), 0);
    }
  });
  expect_same_bits(net.features(x), alone);
  EXPECT_EQ(seen, (std::vector<std::string>{"BatchNorm2d", "ReLU", "MaxPool2d", "Sequential"}));
}

struct Convolutions : Module {
  Sequential body{*this, "body"};
  Conv2d& first = body.add<Conv2d>(3, 17, Conv2dOptions{.kernel_size = 3, .padding = 1});
  BatchNorm2d& first_norm = body.add<BatchNorm2d>(17);
  ReLU& first_relu = body.add<ReLU>();
  Conv2d& second = body.add<Conv2d>(17, 20, Conv2dOptions{.kernel_size = 1, .bias = false});
  BatchNorm2d& second_norm = body.add<BatchNorm2d>(20, BatchNorm2dOptions{.affine = false});

  Convolutions() {
    const auto randomise = [](Tensor& values, std::uint64_t seed, double low, double high) {
      values.copy_from(random_tensor(values.shape(), seed, DType::f64, low, high));
    };
    randomise(first_norm.weight, 1, -1.5, 1.5);
    randomise(first_norm.bias, 2, -1, 1);
    randomise(first_norm.running_mean, 3, -1, 1);
    randomise(first_norm.running_var, 4, 0.5, 2);
    randomise(second_norm.running_mean, 5, -1, 1);
  }
};

TEST(Sequential, NormsAfterConvolutionsChangeNoBits) {
  for (const auto& [dtype, activations] : {std::pair{DType::f64, DType::f64},
                                           {DType::f32, DType::f32},
                                           {DType::f32, DType::bf16},
                                           {DType::f32, DType::f16}}) {
    for (const bool training : {false, true}) {
      for (const bool records : {false, true}) {
        SCOPED_TRACE(to_string(activations) + (training ? " training" : "") + (records ? " records" : ""));
        Convolutions net;
        net.to(dtype);
        net.train(training);
        for (const NamedTensor& parameter : net.parameters()) {
          Tensor(parameter.value).set_requires_grad(records);
        }
        const Tensor x = random_tensor({2, 5, 7, 3}, 6, activations);
        const Tensor expected = net.second_norm(net.second(relu(net.first_norm(net.first(x)))));
        const Tensor y = net.body(x);
        // Without the rounding between convolution and norm: conv_epilogue_test.cpp has its bounds.
        const bool fewer_roundings = !training && !records && size_of(activations) < size_of(dtype);
        if (!fewer_roundings) expect_same_bits(y, expected);
        EXPECT_EQ(y.requires_grad(), records);
        if (!records) continue;
        const Tensor dy = random_tensor(y.shape(), 7, activations);
        y.backward(dy);
        const Tensor gradient = net.first.weight.grad().clone();
        net.zero_grad();
        expected.backward(dy);
        expect_close(gradient, net.first.weight.grad(), 1e-5, std::max(1e-5, 2 * rounding(activations).rtol));
      }
    }
  }
}

TEST(Sequential, ObserversSeeNormsOfConvolutions) {
  Convolutions net;
  net.eval();
  const NoGradGuard no_grad;
  const Tensor x = random_tensor({2, 5, 7, 3}, 6, DType::f32);
  const Tensor alone = net.body(x);
  std::vector<std::string> seen;
  const LayerObserver observer([&](const Layer& layer, const Tensor&, const Tensor&) { seen.push_back(layer.kind()); });
  expect_same_bits(net.body(x), alone);
  EXPECT_EQ(seen, (std::vector<std::string>{"Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "Sequential"}));
}

TEST(Sequential, EmptyIsTheIdentity) {
  Sequential nothing;
  const Tensor x = Tensor::zeros({2});
  EXPECT_EQ(nothing(x).raw(), x.raw());
}

TEST(Sequential, NamesItsLayersByTheirPlace) {
  Net net;
  std::vector<std::string> names;
  for (const NamedTensor& parameter : net.parameters()) names.push_back(parameter.name);
  for (const NamedTensor& buffer : net.buffers()) names.push_back(buffer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"features.0.weight", "features.0.bias", "features.0.running_mean",
                                             "features.0.running_var", "features.0.num_batches_tracked"}));
  ReLU& added = net.features.add<ReLU>();
  EXPECT_EQ(added.path(), "features.3");
}

TEST(Sequential, ErrorsNameTheLayer) {
  Net net;
  EXPECT_EQ(message_of<ShapeError>([&] {
              net.features(Tensor::zeros({2, 4, 4, 5}));
            }),
            "features.0: [batch_norm] weight must have one value per channel: input (2,4,4,5) has 5, weight "
            "is (3)");
  Sequential norm_of_others;
  norm_of_others.add<Conv2d>(3, 4, Conv2dOptions{});
  norm_of_others.add<BatchNorm2d>(5);
  norm_of_others.eval();
  const NoGradGuard no_grad;
  EXPECT_EQ(message_of<ShapeError>([&] {
              norm_of_others(Tensor::zeros({2, 4, 4, 3}));
            }),
            "1: [batch_norm] weight must have one value per channel: input (2,4,4,4) has 4, weight is (5)");
  net.eval();
  EXPECT_EQ(message_of<ShapeError>([&] {
              net.features(Tensor::zeros({2, 3}));
            }),
            "features.2: [max_pool2d] input must be (N,H,W,C): got (2,3)");
}

}  // namespace
}  // namespace striate

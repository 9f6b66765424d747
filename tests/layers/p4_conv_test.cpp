#include "layers/p4_conv.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/gradcheck.h"
#include "core/reduce.h"
#include "core/reshape.h"
#include "core/safetensors.h"
#include "core/state.h"
#include "layers/activations.h"
#include "layers/max_pool.h"
#include "layers/sequential.h"
#include "tests/support/case_options.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using namespace testing_support;

const std::vector<int> kImages = {0, 3, 1, 2};

/// Every image (N,H,W,C) turned by a quarter counter-clockwise; with orientations, each moves to the next.
Tensor turned(const Tensor& x, bool orientations) {
  const std::int64_t n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3), k = c / 4;
  Tensor y = Tensor::empty({n, w, h, c}, x.dtype());
  const auto* from = x.data<double>();
  auto* to = y.mutable_data<double>();
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t row = 0; row < w; ++row) {
      for (std::int64_t column = 0; column < h; ++column) {
        for (std::int64_t j = 0; j < c; ++j) {
          const std::int64_t moved = orientations ? (j + k) % c : j;
          to[((i * w + row) * h + column) * c + moved] = from[((i * h + column) * w + w - 1 - row) * c + j];
        }
      }
    }
  }
  return y;
}

/// The first layers of the paper's net for rotated MNIST, and its end.
struct P4Net : Layer {
  P4ConvZ2 conv1{*this, "conv1", 2, 3, {.kernel_size = 3, .bias = false}};
  P4BatchNorm2d norm1{*this, "norm1", 3};
  P4ConvP4 conv2{*this, "conv2", 3, 4, {.kernel_size = 3, .padding = 1}};
  P4ConvP4 conv3{*this, "conv3", 4, 5, {.kernel_size = 4}};
  Tensor features(const Tensor& x) { return conv2(max_pool2d(relu(norm1(conv1(x))), {.kernel_size = 2})); }
  Tensor forward(const Tensor& x) override {
    return mean(p4_max_pool(conv3(relu(features(x)))), {Axis::height, Axis::width});
  }
};

TEST(P4Conv, EqualsPyTorch) {
  const TensorFile file = read_safetensors(std::string(STRIATE_SOURCE_DIR) + "/tests/reference/p4_conv.safetensors");
  ASSERT_GE(file.metadata.size(), 7U);
  for (const auto& [key_of_case, text] : file.metadata) {
    const std::string& name = key_of_case;  // a lambda cannot hold a structured binding
    SCOPED_TRACE(name);
    const CaseOptions o(text);
    const bool lifting = o.integer("orientations") == 1;
    const P4ConvOptions options{o.integer("kernel"), o.integer("stride"), o.integer("padding")};
    Sequential net;
    P4Conv& layer = lifting ? static_cast<P4Conv&>(net.add<P4ConvZ2>(o.integer("c"), o.integer("k"), options))
                            : net.add<P4ConvP4>(o.integer("c"), o.integer("k"), options);
    net.to(DType::f64);
    load_state(net, {{"0.weight", file.find(name + ".w")}, {"0.bias", file.find(name + ".b")}});
    Tensor x = from_file_layout(file.find(name + ".x"), kImages);
    x.set_requires_grad();
    const Tensor y = layer(x);
    y.backward(from_file_layout(file.find(name + ".dy"), kImages));
    const auto equals = [&](const std::string& key, const Tensor& got) {
      SCOPED_TRACE(key);
      expect_close(got, file.find(name + "." + key), 1e-12, 1e-12);
    };
    equals("y", to_file_layout(y.detach(), kImages));
    equals("dx", to_file_layout(x.grad(), kImages));
    for (const NamedTensor& parameter : net.parameters()) {
      equals(parameter.name == "0.weight" ? "dw" : "db", to_file_layout(parameter.value.grad(), parameter.file_axes));
    }
  }
}

TEST(P4Conv, TurnsWithTheInput) {
  P4Net net;
  net.to(DType::f64);
  for (const bool training : {true, false}) {
    net.train(training);
    Tensor x = random_tensor({3, 14, 14, 2}, 1);
    Tensor expected = net.features(x);
    const Tensor logits = net(x);
    for (int quarters = 1; quarters <= 4; ++quarters) {
      SCOPED_TRACE(quarters);
      x = turned(x, false);
      expected = turned(expected, true);
      expect_close(net.features(x), expected, 1e-12, 1e-12);
      if (!training) expect_close(net(x), logits, 1e-12, 1e-12);  // training moves the running statistics
    }
  }
}

TEST(P4Conv, Gradcheck) {
  P4Net net;
  net.to(DType::f64);
  Tensor x = random_tensor({2, 14, 14, 2}, 1);
  x.set_requires_grad();
  std::vector<Tensor> inputs = {x};
  for (const NamedTensor& parameter : net.parameters()) inputs.push_back(parameter.value);
  const GradcheckResult result = gradcheck([&](const std::vector<Tensor>& in) { return net(in[0]); }, inputs);
  EXPECT_TRUE(result) << result.message;
}

TEST(P4Conv, HasTheParametersOfOneOrientation) {
  P4Net net;
  std::int64_t count = 0;
  for (const NamedTensor& parameter : net.parameters()) {
    count += parameter.value.numel();
    if (parameter.name == "conv2.weight") {
      EXPECT_EQ(to_file_layout(parameter.value, parameter.file_axes).shape(), (Shape{4, 3, 4, 3, 3}));
    }
  }
  EXPECT_EQ(count, 3 * 2 * 9 + 6 + 4 * 3 * 4 * 9 + 4 + 5 * 4 * 4 * 16 + 5);
}

TEST(P4Conv, RefusesWhatDoesNotFit) {
  P4Net net;
  expect_error<ShapeError>([&] { net.conv2(Tensor::zeros({1, 5, 5, 6})); }, {"conv2", "(1,5,5,6)"});
  expect_error<ShapeError>([] { p4_max_pool(Tensor::zeros({1, 5, 5, 6})); }, {"p4_max_pool", "(1,5,5,6)"});
  expect_error<ShapeError>([&] { net.norm1(Tensor::zeros({2, 5, 5, 6})); }, {"norm1", "(2,5,5,6)"});
  expect_error<std::invalid_argument>([] { Sequential().add<P4ConvZ2>(0, 1, P4ConvOptions{}); }, {"in_channels"});
}

TEST(P4Conv, RefusesOptionsThatNoInputFits) {
  Module root;
  EXPECT_THROW(P4ConvZ2(root, "a", 0, 4, {}), std::invalid_argument);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { P4ConvP4(root, "b", 4, 4, {.kernel_size = 3, .stride = 0}); }),
            "[p4_conv] expected stride of at least 1, got 0x0");
  EXPECT_TRUE(root.children().empty());
}

}  // namespace
}  // namespace striate

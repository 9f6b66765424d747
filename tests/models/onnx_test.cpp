// The files of models/onnx.h, read back; what other programs compute from them: tests/onnx.
#include "models/onnx.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/reduce.h"
#include "core/reshape.h"
#include "core/trace.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/p4_conv.h"
#include "models/registry.h"
#include "tests/support/errors.h"
#include "tests/support/onnx_file.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using namespace testing_support;

struct Net : Layer {
  Conv2d conv{*this, "conv", 3, 4, {.kernel_size = 3, .stride = 2, .padding = 1, .bias = false}};
  BatchNorm2d norm{*this, "norm", 4};
  Dropout dropout{*this, "dropout", 0.5};
  Linear fc{*this, "fc", 4 * 4 * 3, 5};
  Net() {
    norm.running_mean.copy_from(random_tensor({4}, 1, DType::f32));
    norm.running_var.copy_from(random_tensor({4}, 2, DType::f32, 0.5, 2));
    norm.weight.copy_from(random_tensor({4}, 3, DType::f32));
    norm.bias.copy_from(random_tensor({4}, 4, DType::f32));
  }
  Tensor forward(const Tensor& x) override { return fc(dropout(flatten(relu(norm(conv(x)))))); }
};

const Shape kImage = {8, 6, 3};

TEST(Onnx, IsTheGraphOfAForwardPass) {
  Net net;
  const OnnxFile file(export_onnx(net, kImage, {.metadata = {{"classes", "a,b"}}}));
  EXPECT_EQ(file.ir_version, 8U);
  EXPECT_EQ(file.opset, 17U);
  EXPECT_EQ(file.producer, "striate");
  EXPECT_EQ(file.metadata.at("classes"), "a,b");
  EXPECT_EQ(file.input, "input(N,3,8,6)");
  EXPECT_EQ(file.output, "output(N,5)");
  ASSERT_EQ(file.types(), "Conv BatchNormalization Relu Flatten Gemm");
  const OnnxNode& conv = file.nodes[0];
  EXPECT_EQ(conv.name, "conv/Conv");
  EXPECT_EQ(conv.inputs, (std::vector<std::string>{"input", "conv.weight"}));
  EXPECT_EQ(conv.attributes.at("strides"), "2,2");
  EXPECT_EQ(conv.attributes.at("pads"), "1,1,1,1");
  EXPECT_EQ(file.nodes[2].name, "Relu");
  EXPECT_EQ(file.nodes[2].inputs[0], "norm/BatchNormalization");
  EXPECT_EQ(file.nodes[1].attributes.at("epsilon"), std::to_string(1e-5F));
  EXPECT_EQ(file.nodes[4].output, "output");
  // As in files of weights: (K,C,R,S).
  const OnnxTensor& weight = file.initializers.at("conv.weight");
  ASSERT_EQ(weight.shape, (std::vector<std::int64_t>{4, 3, 3, 3}));
  EXPECT_EQ(weight.floats[((2 * 3 + 1) * 3 + 0) * 3 + 2], net.conv.weight.data<float>()[((0 * 3 + 2) * 3 + 1) * 4 + 2]);
  EXPECT_EQ(file.initializers.at("fc.weight").shape, (std::vector<std::int64_t>{5, 48}));
  EXPECT_EQ(file.initializers.at("fc.weight").floats[1], net.fc.weight.data<float>()[5]);
  EXPECT_TRUE(net.training());
}

TEST(Onnx, ABatchMayBeFixed) {
  Net net;
  const OnnxFile file(export_onnx(net, kImage, {.batch = 7}));
  EXPECT_EQ(file.input, "input(7,3,8,6)");
  EXPECT_EQ(file.output, "output(7,5)");
}

TEST(Onnx, BatchNormIsFolded) {
  Net net;
  const OnnxFile file(export_onnx(net, kImage, {.fold_batch_norm = true}));
  ASSERT_EQ(file.types(), "Conv Relu Flatten Gemm");
  EXPECT_EQ(file.nodes[0].inputs, (std::vector<std::string>{"input", "conv.weight", "norm.bias"}));
  EXPECT_FALSE(file.initializers.contains("norm.running_mean"));
  const OnnxFile plain(export_onnx(net, kImage));
  for (std::size_t k = 0; k < 4; ++k) {
    const auto of = [&](const Tensor& x) { return x.to_vector()[k]; };
    const double factor = of(net.norm.weight) / std::sqrt(of(net.norm.running_var) + 1e-5);
    for (std::size_t i = 27 * k; i < 27 * (k + 1); ++i) {
      EXPECT_FLOAT_EQ(file.initializers.at("conv.weight").floats[i],
                      static_cast<float>(plain.initializers.at("conv.weight").floats[i] * factor));
    }
    EXPECT_FLOAT_EQ(file.initializers.at("norm.bias").floats[k],
                    static_cast<float>(of(net.norm.bias) - of(net.norm.running_mean) * factor));
  }
}

TEST(Onnx, NormalisationComesFirst) {
  Net net;
  const OnnxFile file(export_onnx(net, kImage, {.normalization = Normalization{{0, 0.5, 1}, {0.1, 0.2, 0.3}}}));
  ASSERT_EQ(file.types(), "BatchNormalization Conv BatchNormalization Relu Flatten Gemm");
  const auto& inputs = file.nodes[0].inputs;
  EXPECT_EQ(inputs[0], "input");
  EXPECT_EQ(file.initializers.at(inputs[3]).floats, (std::vector<float>{0, 127.5F, 255}));
  EXPECT_FLOAT_EQ(file.initializers.at(inputs[4]).floats[1], 51.0F * 51.0F);
  EXPECT_EQ(file.nodes[1].inputs[0], file.nodes[0].output);
}

// A net around a function of feature maps (N,8,6,4).
struct Around : Layer {
  using Body = std::function<Tensor(const Tensor&)>;
  explicit Around(Body f) : body(std::move(f)) {}
  struct Inner : Layer {
    Inner(Module& parent, std::string name, Body& f) : Layer(parent, std::move(name)), body(f) {}
    Tensor forward(const Tensor& x) override { return body(x); }
    Body& body;
  };
  Body body;
  Conv2d conv{*this, "conv", 3, 4, {.kernel_size = 3, .padding = 1}};
  Inner inner{*this, "inner", body};
  Tensor forward(const Tensor& x) override { return inner(conv(x)); }
};

std::string types_of(const Around::Body& body, const OnnxOptions& options = {}) {
  Around net(body);
  return OnnxFile(export_onnx(net, kImage, options)).types();
}

Tensor mystery(const Tensor& x) {
  Tensor y = x.clone();
  record("mystery", y, {x}, [](Backward&) {});
  return y;
}

TEST(Onnx, NamesAllOpsThatCannotBeWritten) {
  const Tensor places = Tensor::zeros({4}, DType::i64);
  expect_error<std::invalid_argument>(
      [&] { types_of([&](const Tensor& x) { return mystery(x) + take(mystery(x), places); }); },
      {"inner: [mystery]", "inner: [take]", "core/trace.h"});
  EXPECT_EQ(types_of([](const Tensor& x) {
              mystery(x);  // of no use to the output
              return x;
            }),
            "Conv");
}

TEST(Onnx, AnOpOfAUsersOwn) {
  EXPECT_EQ(types_of([](const Tensor& x) {
              const Tensor y = mystery(x);
              traced(y, [&](Trace& t) { return t.add("Sin", {t.value(x)}); });
              return y;
            }),
            "Conv Sin");
}

// Without record() an op is not seen, and its output would be a constant.
TEST(Onnx, WhatIsNotRecordedIsFound) {
  expect_error<std::invalid_argument>([] { types_of([](const Tensor& x) { return x + affine(x.clone(), 2); }); },
                                      {"second pass", "inner: ", "record()"});
  expect_error<std::invalid_argument>([] { types_of([](const Tensor& x) { return x.clone(); }); },
                                      {"computed from the images"});
  expect_error<std::invalid_argument>(
      [] {
        types_of([](const Tensor& x) {
          Tensor y = relu(x);
          y.mutable_data<float>()[0] = 1;
          return y;
        });
      },
      {"[a write in place]"});
  // Nor is a choice by the images' values in the graph.
  expect_error<std::invalid_argument>(
      [] {
        int passes = 0;
        types_of([&](const Tensor& x) { return ++passes == 1 ? relu(x) : tanh(x); });
      },
      {"second pass"});
}

TEST(Onnx, ConstantsThatDependOnTheBatchNeedAFixedOne) {
  const auto body = [](const Tensor& x) { return x + Tensor::full(x.shape(), 2); };
  expect_error<std::invalid_argument>([&] { types_of(body); }, {"fixed batch"});
  EXPECT_EQ(types_of(body, {.batch = 3}), "Conv Add");
  EXPECT_EQ(types_of([](const Tensor& x) {
              return concat({x, Tensor::zeros(x.shape())}, Axis::channels);
            }),
            "Conv Pad");
}

TEST(Onnx, ReshapesKeepChannelsFirstWhereTheyCan) {
  EXPECT_EQ(types_of([](const Tensor& x) { return reshape(x, {x.size(0), 48, 4}); }), "Conv Reshape");
  EXPECT_EQ(types_of([](const Tensor& x) {
              return reshape(x, {x.size(0), 8, 12, 2});
            }),
            "Conv Transpose Reshape Transpose");
  EXPECT_EQ(types_of([](const Tensor& x) {
              return reshape(mean(x, {Axis::height, Axis::width}, true), {x.size(0), 4});
            }),
            "Conv GlobalAveragePool Flatten");
  // One axis from another is no reshape of any batch.
  expect_error<std::invalid_argument>([] { types_of([](const Tensor& x) {
                                             return reshape(x, {8, x.size(0), 24});
                                           }); },
                                      {"second pass"});
}

// Expanded filters do not depend on the images.
TEST(Onnx, ExpandedFiltersAreConstants) {
  struct P4 : Layer {
    P4ConvZ2 conv{*this, "conv", 3, 2, {.kernel_size = 3}};
    Tensor forward(const Tensor& x) override { return conv(x); }
  } net;
  const OnnxFile file(export_onnx(net, kImage));
  EXPECT_EQ(file.types(), "Conv");
  EXPECT_EQ(file.initializers.at("conv/constant").shape, (std::vector<std::int64_t>{8, 3, 3, 3}));
}

TEST(Onnx, ParametersAreF32) {
  Net net;
  net.to(DType::f64);
  expect_error<std::invalid_argument>([&] { export_onnx(net, kImage); }, {"f32", "conv.weight"});
}

TEST(Onnx, EveryModel) {
  for (const std::string& name : model_names()) {
    const bool sound = name == "m3" || name == "m5" || name == "m11" || name == "m18";
    const Shape image = sound ? Shape{1, 1100, 1} : name == "alexnet" ? Shape{64, 63, 3} : Shape{32, 32, 3};
    const auto model =
        make_model(name, {.in_channels = image[2],
                          .height = image[0],
                          .width = image[1],
                          .options = name == "lenet" ? NamedOptions{} : NamedOptions{{"width_multiplier", 0.0625}}});
    const OnnxFile file(export_onnx(*model, image, {.fold_batch_norm = true}));
    EXPECT_EQ(file.types().find("BatchNormalization"), std::string::npos) << name;
    for (const NamedTensor& parameter : model->parameters()) {
      const bool folded = parameter.name.find("weight") != std::string::npos && parameter.value.rank() == 1;
      EXPECT_TRUE(folded || file.initializers.contains(parameter.name)) << name << ": " << parameter.name;
    }
  }
}

}  // namespace
}  // namespace striate

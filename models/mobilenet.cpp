#include "models/mobilenet.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/elementwise.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/init.h"
#include "layers/linear.h"
#include "models/model_options.h"

namespace striate {
namespace {

struct ConvSize {
  std::int64_t in, out;
  std::int64_t kernel = 1, stride = 1, groups = 1;
};

void add_conv_norm(Sequential& to, const ConvSize& s) {
  to.add<Conv2d>(
      s.in, s.out,
      Conv2dOptions{
          .kernel_size = s.kernel, .stride = s.stride, .padding = s.kernel / 2, .groups = s.groups, .bias = false});
  to.add<BatchNorm2d>(s.out);
}

/// torchvision's Conv2dNormActivation.
void add_conv_norm_relu6(Sequential& to, const ConvSize& s) {
  auto& layers = to.add<Sequential>();
  add_conv_norm(layers, s);
  layers.add<ReLU6>();
}

/// V2's block: 1x1 to more channels, depthwise 3x3, 1x1 to few without an activation, and x where the shape stays.
class InvertedResidual : public Layer {
 public:
  InvertedResidual(Module& parent, std::string name, std::int64_t in, std::int64_t out, std::int64_t stride,
                   std::int64_t expand_ratio)
      : Layer(parent, std::move(name)), adds_(stride == 1 && in == out) {
    const std::int64_t hidden = in * expand_ratio;
    if (expand_ratio > 1) add_conv_norm_relu6(conv_, {in, hidden});
    add_conv_norm_relu6(conv_, {hidden, hidden, 3, stride, hidden});
    add_conv_norm(conv_, {hidden, out});
  }
  Tensor forward(const Tensor& x) override { return adds_ ? x + conv_(x) : conv_(x); }
  [[nodiscard]] std::string kind() const override { return "InvertedResidual"; }

 private:
  bool adds_;
  Sequential conv_{*this, "conv"};
};

/// A multiple of 8 that is at least nine tenths of channels * width_multiplier: the paper's code and torchvision.
std::int64_t scaled_to_8(std::int64_t channels, double width_multiplier) {
  const double wanted = static_cast<double>(channels) * width_multiplier;
  const std::int64_t nearest = std::max<std::int64_t>(8, static_cast<std::int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(nearest) < 0.9 * wanted ? nearest + 8 : nearest;
}

/// Table 1 of V1's paper. Returns the channels at the end.
std::int64_t build_v1(Sequential& features, const MobileNetOptions& options) {
  std::int64_t channels = scaled(32, options.width_multiplier);
  const auto with_relu = [](Sequential& block, const ConvSize& size) {
    add_conv_norm(block, size);
    block.add<ReLU>();
  };
  with_relu(features.add<Sequential>(), {options.in_channels, channels, 3, 2});
  for (const auto& [planned, stride] : {std::pair{64, 1},
                                        {128, 2},
                                        {128, 1},
                                        {256, 2},
                                        {256, 1},
                                        {512, 2},
                                        {512, 1},
                                        {512, 1},
                                        {512, 1},
                                        {512, 1},
                                        {512, 1},
                                        {1024, 2},
                                        {1024, 1}}) {
    const std::int64_t out = scaled(planned, options.width_multiplier);
    auto& block = features.add<Sequential>();
    with_relu(block, {channels, channels, 3, stride, channels});
    with_relu(block, {channels, out});
    channels = out;
  }
  return channels;
}

/// Table 2 of V2's paper. Returns the channels at the end.
std::int64_t build_v2(Sequential& features, const MobileNetOptions& options) {
  std::int64_t channels = scaled_to_8(32, options.width_multiplier);
  add_conv_norm_relu6(features, {options.in_channels, channels, 3, 2});
  struct Stage {
    std::int64_t expand_ratio, channels, blocks, stride;
  };
  for (const Stage& stage : {Stage{1, 16, 1, 1},
                             {6, 24, 2, 2},
                             {6, 32, 3, 2},
                             {6, 64, 4, 2},
                             {6, 96, 3, 1},
                             {6, 160, 3, 2},
                             {6, 320, 1, 1}}) {
    const std::int64_t out = scaled_to_8(stage.channels, options.width_multiplier);
    for (std::int64_t i = 0; i < stage.blocks; ++i) {
      features.add<InvertedResidual>(channels, out, i == 0 ? stage.stride : 1, stage.expand_ratio);
      channels = out;
    }
  }
  const std::int64_t last = scaled_to_8(1280, std::max(1.0, options.width_multiplier));
  add_conv_norm_relu6(features, {channels, last});
  return last;
}

}  // namespace

MobileNet::MobileNet(const MobileNetOptions& options) : version_(options.version) { build(options); }

MobileNet::MobileNet(Module& parent, std::string name, const MobileNetOptions& options)
    : Layer(parent, std::move(name)), version_(options.version) {
  build(options);
}

void MobileNet::build(const MobileNetOptions& options) {
  check_sizes("mobilenet", options.classes, options.in_channels, options.width_multiplier);
  expect(version_ == 1 || version_ == 2, "mobilenet", "version 1 or 2", version_);
  const std::int64_t channels = version_ == 1 ? build_v1(features_, options) : build_v2(features_, options);
  for (const NamedTensor& parameter : features_.parameters()) {
    if (parameter.value.rank() == 4) kaiming_normal_(parameter.value, FanMode::out);
  }
  classifier_.add<Dropout>(options.dropout);
  auto& linear = classifier_.add<Linear>(channels, options.classes);
  normal_(linear.weight, 0, 0.01);
  constant_(linear.bias, 0);
}

Tensor MobileNet::forward(const Tensor& x) { return classifier_(flatten(avgpool_(features_(x)))); }

}  // namespace striate

#pragma once
// Squeeze-and-excitation (Hu, Shen and Sun, 2018): channels weighed by what the whole image has of them.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "core/elementwise.h"
#include "core/module.h"
#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/conv2d.h"

namespace striate {

struct SqueezeExcitationOptions {
  std::function<Tensor(const Tensor&)> activation = relu;
  std::function<Tensor(const Tensor&)> scale_activation = sigmoid;  ///< MobileNetV3 has hardsigmoid
};

/// y = x * scale_activation(fc2(activation(fc1(avgpool(x))))), x and y (N,H,W,C), with torchvision's names and
/// parameters: fc1 and fc2 are 1x1 convolutions to squeeze_channels and back. The paper has C/16 of those.
class SqueezeExcitation : public Layer {
 public:
  SqueezeExcitation(Module& parent, std::string name, std::int64_t input_channels, std::int64_t squeeze_channels,
                    SqueezeExcitationOptions options = {})
      : Layer(parent, std::move(name)),
        avgpool_(*this, "avgpool", 1),
        fc1_(*this, "fc1", input_channels, squeeze_channels, {}),
        fc2_(*this, "fc2", squeeze_channels, input_channels, {}),
        options_(std::move(options)) {}

  Tensor forward(const Tensor& x) override {
    return x * options_.scale_activation(fc2_(options_.activation(fc1_(avgpool_(x)))));
  }
  [[nodiscard]] std::string kind() const override { return "SqueezeExcitation"; }

 private:
  AdaptiveAvgPool2d avgpool_;
  Conv2d fc1_;
  Conv2d fc2_;
  SqueezeExcitationOptions options_;
};

}  // namespace striate

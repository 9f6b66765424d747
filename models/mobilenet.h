#pragma once
// MobileNets, of depthwise convolutions (one filter a channel) and 1x1 convolutions between them. V1: Howard et al.,
// "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017). V2: Sandler et al.,
// "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018). "mobilenet_v1" and "mobilenet_v2" in
// models/registry.h.

#include <cstdint>
#include <string>

#include "layers/avg_pool.h"
#include "layers/sequential.h"

namespace striate {

struct MobileNetOptions {
  int version = 2;              ///< 1 or 2
  double width_multiplier = 1;  ///< V1: of all channels, rounded down; V2: rounded to multiples of 8 as in torchvision
  std::int64_t classes = 10;
  double dropout = 0.2;  ///< before the linear layer
  std::int64_t in_channels = 3;
};

/// images (N,H,W,in_channels) of any size -> logits (N,classes); five strides of 2. Convolutions start Kaiming-normal
/// over fan_out, the linear layer's weight N(0, 0.01) and its bias 0, norms as usual, as in torchvision. V2's
/// parameters are named as there (3,504,872 for 1000 classes); V1's likewise: "features.0.0" and "features.0.1" of the
/// stem, "features.3.0" to "features.3.3" of a block's depthwise convolution, norm, 1x1 convolution and norm
/// (4,231,976).
class MobileNet : public Layer {
 public:
  /// Throws std::invalid_argument for another version, and for channels, classes or a width_multiplier that no model
  /// can have.
  explicit MobileNet(const MobileNetOptions& options = {});
  MobileNet(Module& parent, std::string name, const MobileNetOptions& options = {});

  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "MobileNetV" + std::to_string(version_); }
  [[nodiscard]] std::string head() const override { return "classifier.1"; }

 private:
  void build(const MobileNetOptions& options);

  int version_;
  Sequential features_{*this, "features"};
  AdaptiveAvgPool2d avgpool_{*this, "avgpool", {1, 1}};
  Sequential classifier_{*this, "classifier"};
};

}  // namespace striate

#pragma once
// VGG (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014) in
// its form for small images: five stages of 3x3 convolutions, each ended by a 2x2 max pool, then one linear layer.
// "vgg11" to "vgg19" in models/registry.h; a network to copy from.

#include <cstdint>
#include <string>
#include <vector>

#include "layers/avg_pool.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "models/model_options.h"

namespace striate {

struct VggOptions {
  int depth = 16;               ///< layers with weights: 11, 13, 16 or 19 (two less here: one linear layer, not three)
  bool batch_norm = true;       ///< conv (no bias), norm, ReLU; without: conv (bias), ReLU
  double width_multiplier = 1;  ///< of all channel counts, rounded down, at least 1
  std::int64_t classes = 10;
  double dropout = 0;  ///< before the linear layer; 0 leaves it out
  std::int64_t in_channels = 3;
};

/// The channel counts of the convolutions in order at full width; 0 stands for a pool. Throws
/// std::invalid_argument for other depths.
std::vector<std::int64_t> vgg_plan(int depth);

/// images (N,H,W,in_channels) with H, W >= 32 -> logits (N,classes). Parameters are named as in a PyTorch
/// model with `features` (a Sequential of conv, norm, ReLU and pool, all counted) and `classifier` (a
/// Linear). Convolutions start Kaiming-normal over fan_out, the rest as PyTorch does.
class Vgg : public Layer {
 public:
  /// Throws std::invalid_argument for an unknown depth, a width_multiplier outside (0,64], and channels or classes
  /// below 1.
  explicit Vgg(const VggOptions& options = {});
  Vgg(Module& parent, std::string name, const VggOptions& options = {});

  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "Vgg"; }
  [[nodiscard]] std::string head() const override { return "classifier"; }

 private:
  void build_features();

  VggOptions options_;
  Sequential features_{*this, "features"};
  AdaptiveAvgPool2d avgpool_{*this, "avgpool", {1, 1}};
  Dropout dropout_{*this, "dropout", options_.dropout};
  Linear classifier_{*this, "classifier", scaled(512, options_.width_multiplier), options_.classes};
};

}  // namespace striate

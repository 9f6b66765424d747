#pragma once
// AlexNet as torchvision has it: "One weird trick for parallelizing convolutional neural networks" (Krizhevsky, 2014),
// the net of 2012 on one processor and without its local response normalisation. "alexnet" in models/registry.h.

#include <cstdint>
#include <string>

#include "layers/avg_pool.h"
#include "layers/sequential.h"

namespace striate {

struct AlexNetOptions {
  std::int64_t classes = 10;
  std::int64_t in_channels = 3;
  std::int64_t height = 224;  ///< of the images, to refuse those that are too small; any size above is taken
  std::int64_t width = 224;
  double width_multiplier = 1;  ///< of all channel counts and of the two hidden layers, rounded down, at least 1
  double dropout = 0.5;         ///< before each hidden layer
};

/// images (N,H,W,in_channels) with H, W >= 63 -> logits (N,classes). Parameters are named as in torchvision
/// ("features.0.weight", "classifier.6.bias") and start as PyTorch's do: 61,100,840 of them for 1000 classes.
class AlexNet : public Layer {
 public:
  /// Throws std::invalid_argument for images below 63 pixels a side, and for channels, classes or a width_multiplier
  /// that no model can have.
  explicit AlexNet(const AlexNetOptions& options = {});
  AlexNet(Module& parent, std::string name, const AlexNetOptions& options = {});

  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "AlexNet"; }
  [[nodiscard]] std::string head() const override { return "classifier.6"; }

 private:
  void build(const AlexNetOptions& options);

  Sequential features_{*this, "features"};
  AdaptiveAvgPool2d avgpool_{*this, "avgpool", {6, 6}};
  Sequential classifier_{*this, "classifier"};
};

}  // namespace striate

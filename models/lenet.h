#pragma once
// LeNet-5 (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998) as it is taught today: with
// ReLU and max pooling, and the names of PyTorch's tutorial. "lenet" in models/registry.h.

#include <cstdint>
#include <string>

#include "layers/conv2d.h"
#include "layers/linear.h"
#include "layers/max_pool.h"

namespace striate {

struct LenetOptions {
  std::int64_t classes = 10;
  std::int64_t in_channels = 1;
  std::int64_t height = 28;
  std::int64_t width = 28;
  /// Of conv1, from 0 to 4. 2 gives MNIST's 28x28 images the 16x5x5 features before fc1 that the paper, with 0, has for
  /// 32x32.
  std::int64_t padding = 2;
};

/// images (N,height,width,in_channels) -> logits (N,classes): 5x5 convolutions to 6 and 16 channels, a 2x2 max pool
/// behind each, linear layers of 120, 84 and `classes`. All start as PyTorch's do.
class Lenet : public Layer {
 public:
  /// Throws std::invalid_argument for images below 16 - 2 * padding a side, another padding, and channels or
  /// classes below 1.
  explicit Lenet(const LenetOptions& options = {});
  Lenet(Module& parent, std::string name, const LenetOptions& options = {});

  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "Lenet"; }
  [[nodiscard]] std::string head() const override { return "fc3"; }

 private:
  [[nodiscard]] std::int64_t features() const;  // before fc1

  LenetOptions options_;
  Conv2d conv1_{*this, "conv1", options_.in_channels, 6, {.kernel_size = 5, .padding = options_.padding}};
  MaxPool2d pool_{*this, "pool", {.kernel_size = 2}};
  Conv2d conv2_{*this, "conv2", 6, 16, {.kernel_size = 5}};
  Linear fc1_{*this, "fc1", features(), 120};
  Linear fc2_{*this, "fc2", 120, 84};
  Linear fc3_{*this, "fc3", 84, options_.classes};
};

}  // namespace striate

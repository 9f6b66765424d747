#pragma once
// ResNet (He et al., "Deep Residual Learning for Image Recognition", 2015) and the tweaks of "Bag of Tricks for
// Image Classification with Convolutional Neural Networks" (He et al., 2018, section 4). "resnet18" and others in
// models/registry.h; the blocks are in models/residual_block.h.

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "layers/avg_pool.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "models/residual_block.h"

namespace striate {

/// Tweaks of the networks with bottlenecks; each includes those before it.
enum class ResNetTweak : std::uint8_t {
  a,  ///< none, the network of 2015: where a bottleneck halves the map, its first 1x1 has the stride
  b,  ///< its 3x3 has the stride, so that no position is skipped; torchvision's ResNet
  c,  ///< three 3x3 convolutions replace the stem's 7x7
  d,  ///< the shortcut halves the map by a 2x2 average pool before its 1x1
};

/// The layout of a network of some depth.
struct ResNetPlan {
  std::vector<int> blocks;    ///< in each stage; all stages but the first halve the map and double the channels
  bool bottleneck = false;    ///< else basic blocks
  bool small_images = false;  ///< for 32x32: the stem has no stride and no pool
  std::int64_t width = 64;    ///< channels of the stem and of the first stage's 3x3 convolutions
};

/// 18, 34 (basic blocks), 50 (bottlenecks): four stages behind a 7x7 stem with stride 2 and a max pool, as in
/// torchvision. 20, 32, 56: section 4.2 of the paper for 32x32 images, three stages of basic blocks from 16
/// channels on, behind a 3x3 stem, with the parameter-free shortcut A. 29: 9n+2 as there with n = 3, but of
/// bottlenecks and projections, and behind a 7x7 stem without stride, so that each tweak has something to
/// change. Throws std::invalid_argument for other depths.
ResNetPlan resnet_plan(int depth);

struct ResNetOptions {
  int depth = 18;
  ResNetTweak tweak = ResNetTweak::b;  ///< basic blocks have no other
  bool zero_gamma = false;             ///< the last norm of every block starts at 0 (Goyal et al., 2017)
  double width_multiplier = 1;         ///< of the 3x3 convolutions' channels, rounded down, at least 1
  std::int64_t classes = 10;
  double dropout = 0;  ///< before the linear layer; 0 leaves it out
  std::int64_t in_channels = 3;
};

/// images (N,H,W,in_channels) of any size -> logits (N,classes). Parameters are named as in torchvision: conv1,
/// bn1, layer1.0.conv1, ..., layer2.0.downsample.0, ..., fc; with tweaks C and D, which it lacks, as in timm:
/// conv1.0 to conv1.6 for the stem, downsample.1 and .2 behind the pool. Convolutions start Kaiming-normal over
/// fan_out, the rest as PyTorch does.
class ResNet : public Layer {
 public:
  /// Throws std::invalid_argument for an unknown depth, a tweak of a network without bottlenecks, a width_multiplier
  /// outside (0,64], and channels or classes below 1.
  explicit ResNet(const ResNetOptions& options = {});
  ResNet(Module& parent, std::string name, const ResNetOptions& options = {});

  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "ResNet"; }
  [[nodiscard]] std::string head() const override { return "fc"; }

 private:
  // Of the 3x3 convolutions of a stage; the first stage's are those of the stem too.
  [[nodiscard]] std::int64_t channels(std::size_t stage) const;
  [[nodiscard]] std::int64_t expansion() const;
  std::unique_ptr<Layer> make_stem();
  std::list<Sequential> make_stages();
  void initialise();

  ResNetOptions options_;
  ResNetPlan plan_ = resnet_plan(options_.depth);
  // In the order of their parameters in files.
  std::unique_ptr<Layer> conv1_ = make_stem();
  BatchNorm2d bn1_{*this, "bn1", channels(0)};
  MaxPool2d maxpool_{*this, "maxpool", {.kernel_size = 3, .stride = 2, .padding = 1}};
  std::list<Sequential> stages_ = make_stages();
  AdaptiveAvgPool2d avgpool_{*this, "avgpool", {1, 1}};
  Dropout dropout_{*this, "dropout", options_.dropout};
  Linear fc_{*this, "fc", expansion() * channels(plan_.blocks.size() - 1), options_.classes};
};

}  // namespace striate

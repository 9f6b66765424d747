#pragma once
// The two blocks of residual networks (He et al., "Deep Residual Learning for Image Recognition", 2015):
// y = relu(path(x) + shortcut(x)). Parameters are named as in torchvision. models/resnet.h builds networks of them.

#include <cstdint>
#include <string>

#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/sequential.h"

namespace striate {

/// The shortcut of a block that changes the shape of x; elsewhere it is the identity.
enum class ShortcutKind : std::uint8_t {
  projection,         ///< norm(1x1 convolution), with the block's stride (the paper's option B)
  pooled_projection,  ///< a stride is that of an average pool, and the 1x1 has none (tweak D)
  padding,            ///< every stride-th position, with zeros for the new channels (the paper's option A)
};

struct BlockOptions {
  std::int64_t in_channels;
  std::int64_t channels;  ///< of the 3x3 convolutions
  std::int64_t stride = 1;
  bool stride_first = false;  ///< in the bottleneck's first 1x1, as in the paper, not in its 3x3 (tweak B)
  ShortcutKind shortcut = ShortcutKind::projection;
  bool zero_gamma = false;  ///< the last norm's weight starts at 0: the block begins as its shortcut
};

/// A block's shortcut, named "downsample" in files. Its projection is "0" (convolution) and "1" (norm), a pooled one
/// "1" and "2" behind the pool, which for stride 1 does nothing.
class Shortcut : public Sequential {
 public:
  /// Throws std::invalid_argument for a padding shortcut to fewer channels.
  Shortcut(Module& parent, const BlockOptions& options, std::int64_t out_channels);
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "Shortcut"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

 private:
  std::int64_t stride_;
  std::int64_t new_channels_;
};

/// Two 3x3 convolutions, the first with the stride: x (N,H,W,in_channels) -> (N,P,Q,channels) with
/// P = ceil(H / stride), Q alike.
class BasicBlock : public Layer {
 public:
  static constexpr std::int64_t expansion = 1;

  BasicBlock(Module& parent, std::string name, const BlockOptions& options);
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "BasicBlock"; }

 private:
  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
  Shortcut shortcut_;
};

/// 1x1, 3x3 and 1x1 convolutions, the last with four times as many channels:
/// x (N,H,W,in_channels) -> (N,P,Q,4*channels) with P = ceil(H / stride), Q alike.
class Bottleneck : public Layer {
 public:
  static constexpr std::int64_t expansion = 4;

  Bottleneck(Module& parent, std::string name, const BlockOptions& options);
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "Bottleneck"; }

 private:
  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
  Conv2d conv3_;
  BatchNorm2d bn3_;
  Shortcut shortcut_;
};

}  // namespace striate

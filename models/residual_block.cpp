#include "models/residual_block.h"

#include <stdexcept>
#include <utility>

#include "core/elementwise.h"
#include "core/reshape.h"
#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/init.h"

namespace striate {
namespace {

// In the place of a pool without stride, so that the projection keeps its names.
struct Identity : Layer {
  using Layer::Layer;
  Tensor forward(const Tensor& x) override { return x; }
  [[nodiscard]] std::string kind() const override { return "Identity"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& /*input*/, const Shape& /*output*/) const override {
    return {.merges_into_previous = true};
  }
};

Conv2dOptions three_by_three(std::int64_t stride) {
  return {.kernel_size = 3, .stride = stride, .padding = 1, .bias = false};
}

Conv2dOptions one_by_one(std::int64_t stride = 1) { return {.stride = stride, .bias = false}; }

}  // namespace

Shortcut::Shortcut(Module& parent, const BlockOptions& options, std::int64_t out_channels)
    : Sequential(parent, "downsample"), stride_(options.stride), new_channels_(out_channels - options.in_channels) {
  if (stride_ == 1 && new_channels_ == 0) return;
  if (options.shortcut == ShortcutKind::padding) {
    if (new_channels_ >= 0) return;
    throw std::invalid_argument("[residual_block] a padding shortcut cannot lose channels, got " +
                                std::to_string(options.in_channels) + " -> " + std::to_string(out_channels));
  }
  const bool pooled = options.shortcut == ShortcutKind::pooled_projection;
  // Rounded up, as the path's sizes are: windows beyond the border average what they hold.
  if (pooled && stride_ > 1)
    add<AvgPool2d>(AvgPool2dOptions{.kernel_size = stride_, .ceil_mode = true, .count_include_pad = false});
  if (pooled && stride_ == 1) add<Identity>();
  add<Conv2d>(options.in_channels, out_channels, one_by_one(pooled ? 1 : stride_));
  add<BatchNorm2d>(out_channels);
}

Tensor Shortcut::forward(const Tensor& x) {
  if (size() > 0) return Sequential::forward(x);
  const Tensor kept = stride_ == 1 ? x : avg_pool2d(x, {.kernel_size = 1, .stride = stride_});
  if (new_channels_ == 0) return kept;
  Shape zeros = kept.shape();
  zeros.back() = new_channels_;
  return concat({kept, Tensor::zeros(zeros, kept.dtype())}, Axis::channels);
}

LayerGeometry Shortcut::geometry(const Shape& /*input*/, const Shape& /*output*/) const {
  return {.stride = stride_, .merges_into_previous = true};
}

BasicBlock::BasicBlock(Module& parent, std::string name, const BlockOptions& options)
    : Layer(parent, std::move(name)),
      conv1_(*this, "conv1", options.in_channels, options.channels, three_by_three(options.stride)),
      bn1_(*this, "bn1", options.channels),
      conv2_(*this, "conv2", options.channels, options.channels, three_by_three(1)),
      bn2_(*this, "bn2", options.channels),
      shortcut_(*this, options, options.channels) {
  if (options.zero_gamma) constant_(bn2_.weight, 0);
}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor y = bn2_(conv2_(relu(bn1_(conv1_(x)))));
  return relu(y + shortcut_(x));
}

Bottleneck::Bottleneck(Module& parent, std::string name, const BlockOptions& options)
    : Layer(parent, std::move(name)),
      conv1_(*this, "conv1", options.in_channels, options.channels,
             one_by_one(options.stride_first ? options.stride : 1)),
      bn1_(*this, "bn1", options.channels),
      conv2_(*this, "conv2", options.channels, options.channels,
             three_by_three(options.stride_first ? 1 : options.stride)),
      bn2_(*this, "bn2", options.channels),
      conv3_(*this, "conv3", options.channels, expansion * options.channels, one_by_one()),
      bn3_(*this, "bn3", expansion * options.channels),
      shortcut_(*this, options, expansion * options.channels) {
  if (options.zero_gamma) constant_(bn3_.weight, 0);
}

Tensor Bottleneck::forward(const Tensor& x) {
  const Tensor h = relu(bn2_(conv2_(relu(bn1_(conv1_(x))))));
  const Tensor y = bn3_(conv3_(h));
  return relu(y + shortcut_(x));
}

}  // namespace striate

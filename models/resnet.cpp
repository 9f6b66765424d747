#include "models/resnet.h"

#include <utility>

#include "core/check.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/flatten.h"
#include "layers/init.h"
#include "models/model_options.h"

namespace striate {
namespace {

const ResNetOptions& checked(const ResNetOptions& options) {
  check_sizes("resnet", options.classes, options.in_channels, options.width_multiplier);
  expect(options.tweak == ResNetTweak::b || resnet_plan(options.depth).bottleneck, "resnet",
         "depth 29 or 50 (bottlenecks) with a tweak", options.depth);
  return options;
}

Conv2dOptions square(std::int64_t kernel, std::int64_t stride) {
  return {.kernel_size = kernel, .stride = stride, .padding = kernel / 2, .bias = false};
}

}  // namespace

ResNetPlan resnet_plan(int depth) {
  switch (depth) {
    case 18:
      return {.blocks = {2, 2, 2, 2}};
    case 34:
      return {.blocks = {3, 4, 6, 3}};
    case 50:
      return {.blocks = {3, 4, 6, 3}, .bottleneck = true};
    case 20:
      return {.blocks = {3, 3, 3}, .small_images = true, .width = 16};
    case 32:
      return {.blocks = {5, 5, 5}, .small_images = true, .width = 16};
    case 56:
      return {.blocks = {9, 9, 9}, .small_images = true, .width = 16};
    case 29:
      return {.blocks = {3, 3, 3}, .bottleneck = true, .small_images = true, .width = 16};
    default:
      break;
  }
  expect(false, "resnet", "a depth of 18, 34, 50, 20, 32, 56 or 29", depth);
  return {};
}

ResNet::ResNet(const ResNetOptions& options) : options_(checked(options)) { initialise(); }

ResNet::ResNet(Module& parent, std::string name, const ResNetOptions& options)
    : Layer(parent, std::move(name)), options_(checked(options)) {
  initialise();
}

std::int64_t ResNet::channels(std::size_t stage) const {
  return scaled(plan_.width << stage, options_.width_multiplier);
}

std::int64_t ResNet::expansion() const { return plan_.bottleneck ? Bottleneck::expansion : BasicBlock::expansion; }

std::unique_ptr<Layer> ResNet::make_stem() {
  const std::int64_t stride = plan_.small_images ? 1 : 2;
  if (options_.tweak < ResNetTweak::c) {
    const std::int64_t kernel = plan_.small_images && !plan_.bottleneck ? 3 : 7;
    return std::make_unique<Conv2d>(*this, "conv1", options_.in_channels, channels(0), square(kernel, stride));
  }
  const std::int64_t half = scaled(plan_.width / 2, options_.width_multiplier);
  auto stem = std::make_unique<Sequential>(*this, "conv1");
  stem->add<Conv2d>(options_.in_channels, half, square(3, stride));
  stem->add<BatchNorm2d>(half);
  stem->add<ReLU>();
  stem->add<Conv2d>(half, half, square(3, 1));
  stem->add<BatchNorm2d>(half);
  stem->add<ReLU>();
  stem->add<Conv2d>(half, channels(0), square(3, 1));
  return stem;
}

std::list<Sequential> ResNet::make_stages() {
  BlockOptions block{.in_channels = channels(0), .channels = 0, .zero_gamma = options_.zero_gamma};
  block.stride_first = options_.tweak == ResNetTweak::a;
  if (options_.tweak == ResNetTweak::d) block.shortcut = ShortcutKind::pooled_projection;
  if (plan_.small_images && !plan_.bottleneck) block.shortcut = ShortcutKind::padding;
  std::list<Sequential> stages;
  for (std::size_t s = 0; s < plan_.blocks.size(); ++s) {
    Sequential& stage = stages.emplace_back(*this, "layer" + std::to_string(s + 1));
    block.channels = channels(s);
    for (int i = 0; i < plan_.blocks[s]; ++i) {
      block.stride = s > 0 && i == 0 ? 2 : 1;
      if (plan_.bottleneck) {
        stage.add<Bottleneck>(block);
      } else {
        stage.add<BasicBlock>(block);
      }
      block.in_channels = expansion() * block.channels;
    }
  }
  return stages;
}

void ResNet::initialise() {
  for (const NamedTensor& parameter : parameters()) {
    if (parameter.value.rank() == 4) kaiming_normal_(parameter.value, FanMode::out);
  }
}

Tensor ResNet::forward(const Tensor& x) {
  Tensor y = relu(bn1_((*conv1_)(x)));
  if (!plan_.small_images) y = maxpool_(y);
  for (Sequential& stage : stages_) y = stage(y);
  return fc_(dropout_(flatten(avgpool_(y))));
}

}  // namespace striate

#include "models/vgg.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/flatten.h"
#include "layers/init.h"
#include "layers/max_pool.h"

namespace striate {
namespace {

const VggOptions& checked(const VggOptions& options) {
  check_sizes("vgg", options.classes, options.in_channels, options.width_multiplier);
  return options;
}

}  // namespace

std::vector<std::int64_t> vgg_plan(int depth) {
  // Convolutions in each of the five stages: columns A, B, D and E of the paper's table 1.
  std::vector<int> stages;
  if (depth == 11) stages = {1, 1, 2, 2, 2};
  if (depth == 13) stages = {2, 2, 2, 2, 2};
  if (depth == 16) stages = {2, 2, 3, 3, 3};
  if (depth == 19) stages = {2, 2, 4, 4, 4};
  expect(!stages.empty(), "vgg", "a depth of 11, 13, 16 or 19", depth);

  std::vector<std::int64_t> plan;
  std::int64_t channels = 64;
  for (const int convolutions : stages) {
    plan.insert(plan.end(), static_cast<std::size_t>(convolutions), channels);
    plan.push_back(0);
    channels = std::min<std::int64_t>(512, 2 * channels);
  }
  return plan;
}

Vgg::Vgg(const VggOptions& options) : options_(checked(options)) { build_features(); }

Vgg::Vgg(Module& parent, std::string name, const VggOptions& options)
    : Layer(parent, std::move(name)), options_(checked(options)) {
  build_features();
}

void Vgg::build_features() {
  std::int64_t channels = options_.in_channels;
  for (const std::int64_t planned : vgg_plan(options_.depth)) {
    if (planned == 0) {
      features_.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 2});
      continue;
    }
    const std::int64_t wider = scaled(planned, options_.width_multiplier);
    auto& conv = features_.add<Conv2d>(channels, wider,
                                       Conv2dOptions{.kernel_size = 3, .padding = 1, .bias = !options_.batch_norm});
    kaiming_normal_(conv.weight, FanMode::out);
    if (options_.batch_norm) features_.add<BatchNorm2d>(wider);
    features_.add<ReLU>();
    channels = wider;
  }
}

Tensor Vgg::forward(const Tensor& x) { return classifier_(dropout_(flatten(avgpool_(features_(x))))); }

}  // namespace striate

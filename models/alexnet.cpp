#include "models/alexnet.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "layers/activations.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "models/model_options.h"

namespace striate {
namespace {

constexpr std::int64_t kSmallest = 63;  // leaves one pixel to the last pool

}  // namespace

AlexNet::AlexNet(const AlexNetOptions& options) { build(options); }

AlexNet::AlexNet(Module& parent, std::string name, const AlexNetOptions& options) : Layer(parent, std::move(name)) {
  build(options);
}

void AlexNet::build(const AlexNetOptions& options) {
  check_sizes("alexnet", options.classes, options.in_channels, options.width_multiplier);
  expect(std::min(options.height, options.width) >= kSmallest, "alexnet", "images of at least 63x63",
         std::to_string(options.height) + "x" + std::to_string(options.width) + "; enlarge them (--image-size)");
  std::int64_t channels = options.in_channels;
  const auto conv = [&](std::int64_t out, const Conv2dOptions& conv_options) {
    out = scaled(out, options.width_multiplier);
    features_.add<Conv2d>(channels, out, conv_options);
    features_.add<ReLU>();
    channels = out;
  };
  const auto pool = [&] { features_.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 3, .stride = 2}); };
  conv(64, {.kernel_size = 11, .stride = 4, .padding = 2});
  pool();
  conv(192, {.kernel_size = 5, .padding = 2});
  pool();
  conv(384, {.kernel_size = 3, .padding = 1});
  conv(256, {.kernel_size = 3, .padding = 1});
  conv(256, {.kernel_size = 3, .padding = 1});
  pool();

  std::int64_t features = 6 * 6 * channels;
  const std::int64_t hidden = scaled(4096, options.width_multiplier);
  for (int layer = 0; layer < 2; ++layer) {
    classifier_.add<Dropout>(options.dropout);
    classifier_.add<Linear>(std::exchange(features, hidden), hidden);
    classifier_.add<ReLU>();
  }
  classifier_.add<Linear>(hidden, options.classes);
}

Tensor AlexNet::forward(const Tensor& x) { return classifier_(flatten(avgpool_(features_(x)))); }

}  // namespace striate

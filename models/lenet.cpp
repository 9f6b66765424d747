#include "models/lenet.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "layers/activations.h"
#include "layers/flatten.h"
#include "models/model_options.h"

namespace striate {
namespace {

const LenetOptions& checked(const LenetOptions& o) {
  check_sizes("lenet", o.classes, o.in_channels);
  expect(o.padding >= 0 && o.padding <= 4, "lenet", "a padding from 0 to 4", o.padding);
  const std::int64_t least = 16 - 2 * o.padding;
  constexpr std::int64_t most = 1 << 20;
  expect(std::max(o.height, o.width) <= most, "lenet", "images of at most " + std::to_string(most) + " a side",
         std::to_string(o.height) + "x" + std::to_string(o.width));
  expect(std::min(o.height, o.width) >= least, "lenet", "images of at least " + std::to_string(least) + " a side",
         std::to_string(o.height) + "x" + std::to_string(o.width));
  return o;
}

}  // namespace

Lenet::Lenet(const LenetOptions& options) : options_(checked(options)) {}

Lenet::Lenet(Module& parent, std::string name, const LenetOptions& options)
    : Layer(parent, std::move(name)), options_(checked(options)) {}

std::int64_t Lenet::features() const {
  const auto left = [&](std::int64_t side) { return ((side + 2 * options_.padding - 4) / 2 - 4) / 2; };
  return 16 * left(options_.height) * left(options_.width);
}

Tensor Lenet::forward(const Tensor& x) {
  const Tensor maps = pool_(relu(conv2_(pool_(relu(conv1_(x))))));
  return fc3_(relu(fc2_(relu(fc1_(flatten(maps))))));
}

}  // namespace striate

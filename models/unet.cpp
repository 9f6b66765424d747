#include "models/unet.h"

#include <utility>

#include "core/reshape.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/max_pool.h"
#include "layers/pad.h"
#include "layers/upsample.h"
#include "models/model_options.h"

namespace striate {
namespace {

UnetOptions checked(const UnetOptions& options) {
  check_sizes("unet", options.classes, options.in_channels, options.width_multiplier);
  return options;
}

}  // namespace

Unet::DoubleConv::DoubleConv(Module& parent, std::string name, std::int64_t in, std::int64_t middle, std::int64_t out)
    : Layer(parent, std::move(name)) {
  for (const auto& [from, to] : {std::pair{in, middle}, {middle, out}}) {
    double_conv.add<Conv2d>(from, to, Conv2dOptions{.kernel_size = 3, .padding = 1, .bias = false});
    double_conv.add<BatchNorm2d>(to);
    double_conv.add<ReLU>();
  }
}

Unet::Down::Down(Module& parent, std::string name, std::int64_t in, std::int64_t out) : Layer(parent, std::move(name)) {
  maxpool_conv.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 2});
  maxpool_conv.add<DoubleConv>(in, out, out);
}

Unet::Up::Up(Module& parent, std::string name, std::int64_t in, std::int64_t out, bool bilinear)
    : Module(parent, std::move(name)),
      up(bilinear ? nullptr
                  : std::make_unique<ConvTranspose2d>(*this, "up", in, in / 2,
                                                      ConvTranspose2dOptions{.kernel_size = 2, .stride = 2})),
      conv(*this, "conv", in, bilinear ? in / 2 : out, out) {}

Tensor Unet::Up::operator()(const Tensor& x, const Tensor& skip) {
  const std::int64_t height = skip.size(1), width = skip.size(2);
  const auto enlarged = [&] {
    if (!up) return interpolate(x, {.size = Extent2d(height, width), .mode = UpsampleMode::bilinear});
    const Tensor y = (*up)(x);
    if (y.size(1) == height && y.size(2) == width) return y;
    return pad(y, {.bottom = height - y.size(1), .right = width - y.size(2)});
  };
  return conv(concat({skip, enlarged()}, Axis::channels));
}

Unet::Out::Out(Module& parent, std::string name, std::int64_t in, std::int64_t out)
    : Layer(parent, std::move(name)), conv(*this, "conv", in, out, Conv2dOptions{.kernel_size = 1}) {}

Unet::Unet(const UnetOptions& options) : options_(checked(options)) {}

Unet::Unet(Module& parent, std::string name, const UnetOptions& options)
    : Layer(parent, std::move(name)), options_(checked(options)) {}

// Doubled from level to level, so that halves are whole.
std::int64_t Unet::channels(int level) const { return scaled(64, options_.width_multiplier) << level; }

std::int64_t Unet::channels_up(int level) const { return options_.bilinear ? channels(level) / 2 : channels(level); }

Tensor Unet::forward(const Tensor& x) {
  const Tensor x1 = inc_(x);
  const Tensor x2 = down1_(x1);
  const Tensor x3 = down2_(x2);
  const Tensor x4 = down3_(x3);
  const Tensor x5 = down4_(x4);
  return outc_(up4_(up3_(up2_(up1_(x5, x4), x3), x2), x1));
}

}  // namespace striate

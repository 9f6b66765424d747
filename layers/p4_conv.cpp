#include "layers/p4_conv.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/check.h"
#include "core/reshape.h"
#include "layers/conv/convolution.h"
#include "layers/conv2d.h"
#include "layers/init.h"
#include "layers/max_pool.h"

namespace striate {
namespace {

constexpr std::int64_t kOrientations = 4;

/// Where a square of this side has the value that is at (row, column) after so many quarter turns counter-clockwise.
std::array<std::int64_t, 2> before_turns(std::int64_t turns, std::int64_t side, std::int64_t row, std::int64_t column) {
  for (; turns > 0; --turns) row = std::exchange(column, side - 1 - row);
  return {row, column};
}

/// Places in a weight (side,side,orientations,c,k) of the filters of all output orientations,
/// (side,side,orientations*c,4*k).
Tensor expanded_places(std::int64_t side, std::int64_t orientations, std::int64_t c, std::int64_t k) {
  Tensor places = Tensor::empty({side, side, orientations * c, kOrientations * k}, DType::i64);
  auto* next = places.mutable_data<std::int64_t>();
  for (std::int64_t row = 0; row < side; ++row) {
    for (std::int64_t column = 0; column < side; ++column) {
      for (std::int64_t i = 0; i < orientations * c; ++i) {
        for (std::int64_t o = 0; o < kOrientations; ++o) {
          const auto [r, s] = before_turns(o, side, row, column);
          const std::int64_t orientation = (i / c - o + kOrientations) % orientations;
          const std::int64_t first = (((r * side + s) * orientations + orientation) * c + i % c) * k;
          for (std::int64_t j = 0; j < k; ++j) *next++ = first + j;
        }
      }
    }
  }
  return places;
}

Conv2dOptions conv_options(const P4ConvOptions& o) {
  return {.kernel_size = o.kernel_size, .stride = o.stride, .padding = o.padding, .bias = o.bias};
}

std::int64_t per_orientation(const std::string& op, const Tensor& x) {
  if (x.rank() != 4 || x.size(3) % kOrientations != 0) {
    shape_error(op, "input must be (N,H,W,4*K): got " + to_string(x.shape()));
  }
  return x.size(3) / kOrientations;
}

}  // namespace

P4Conv::P4Conv(Module& parent, std::string name, std::int64_t orientations, std::int64_t in_channels,
               std::int64_t out_channels, const P4ConvOptions& options)
    : Layer(parent, std::move(name)), options_(options) {
  check_conv_options("p4_conv", conv_options(options));
  expect(in_channels >= 1 && out_channels >= 1, "p4_conv", "in_channels and out_channels of at least 1",
         std::to_string(in_channels) + " and " + std::to_string(out_channels));
  const std::int64_t side = options.kernel_size;
  places_ = expanded_places(side, orientations, in_channels, out_channels);
  bias_places_ = Tensor::empty({kOrientations * out_channels}, DType::i64);
  for (std::int64_t i = 0; i < bias_places_.numel(); ++i) {
    bias_places_.mutable_data<std::int64_t>()[i] = i % out_channels;
  }
  const Tensor first_weight = Tensor::empty({side, side, orientations * in_channels, out_channels});
  const Tensor first_bias = options.bias ? Tensor::empty({out_channels}) : Tensor();
  default_init_(first_weight, first_bias);
  if (orientations == 1) {
    add_parameter("weight", weight, first_weight, {3, 2, 0, 1});
  } else {
    add_parameter("weight", weight, reshape(first_weight, {side, side, orientations, in_channels, out_channels}),
                  {4, 3, 2, 0, 1});
  }
  if (options.bias) add_parameter("bias", bias, first_bias);
}

Tensor P4Conv::forward(const Tensor& x) {
  return conv2d(x, take(weight, places_), options_.bias ? take(bias, bias_places_) : Tensor(), conv_options(options_));
}

LayerGeometry P4Conv::geometry(const Shape& input, const Shape& output) const {
  return conv_layer_geometry(conv_options(options_), false, places_.numel() / places_.size(3), input, output);
}

Tensor P4BatchNorm2d::forward(const Tensor& x) {
  const std::int64_t k = per_orientation("p4_batch_norm", x);
  return reshape(BatchNorm2d::forward(reshape(x, {x.size(0), x.size(1), kOrientations * x.size(2), k})), x.shape());
}

Tensor p4_max_pool(const Tensor& x) {
  const std::int64_t k = per_orientation("p4_max_pool", x);
  const Tensor orientations = reshape(x, {x.size(0) * x.size(1), x.size(2), kOrientations, k});
  return reshape(max_pool2d(orientations, {.kernel_size = {1, kOrientations}}), {x.size(0), x.size(1), x.size(2), k});
}

}  // namespace striate

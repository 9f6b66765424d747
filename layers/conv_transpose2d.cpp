#include "layers/conv_transpose2d.h"

#include <utility>

#include "layers/conv/convolution.h"

namespace striate {
namespace {

constexpr ConvKind kKind{.op = "conv_transpose2d", .layer = "ConvTranspose2d", .transposed = true};

// Those of the convolution that this is the transpose of.
Conv2dOptions conv_options(const ConvTranspose2dOptions& o) {
  return {.kernel_size = o.kernel_size,
          .stride = o.stride,
          .padding = o.padding,
          .dilation = o.dilation,
          .groups = o.groups,
          .bias = o.bias};
}

}  // namespace

Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& b, const ConvTranspose2dOptions& options) {
  return convolution(kKind, x, w, b, conv_options(options), options.output_padding);
}

ConvTranspose2d::ConvTranspose2d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
                                 const ConvTranspose2dOptions& options)
    : ConvNd(parent, std::move(name), kKind, in_channels, out_channels, conv_options(options), options.output_padding) {
}

}  // namespace striate

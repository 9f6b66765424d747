#include "layers/conv1d.h"

#include <utility>

#include "layers/conv/convolution.h"

namespace striate {
namespace {

constexpr ConvKind kConv{.op = "conv1d", .layer = "Conv1d", .one_d = true};
constexpr ConvKind kTransposed{.op = "conv_transpose1d", .layer = "ConvTranspose1d", .transposed = true, .one_d = true};

Conv2dOptions as_2d(const Conv1dOptions& o) {
  return {.kernel_size = {1, o.kernel_size},
          .stride = {1, o.stride},
          .padding = o.padding.is_same ? Padding::same() : Padding(0, o.padding.sides.width),
          .dilation = {1, o.dilation},
          .groups = o.groups,
          .bias = o.bias,
          .padding_mode = o.padding_mode};
}

Conv2dOptions as_2d(const ConvTranspose1dOptions& o) {
  return {.kernel_size = {1, o.kernel_size},
          .stride = {1, o.stride},
          .padding = {0, o.padding},
          .dilation = {1, o.dilation},
          .groups = o.groups,
          .bias = o.bias};
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& w, const Tensor& b, const Conv1dOptions& options) {
  return convolution(kConv, x, w, b, as_2d(options));
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& w, const Tensor& b, const ConvTranspose1dOptions& options) {
  return convolution(kTransposed, x, w, b, as_2d(options), {0, options.output_padding});
}

Conv1d::Conv1d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
               const Conv1dOptions& options)
    : ConvNd(parent, std::move(name), kConv, in_channels, out_channels, as_2d(options)) {}

ConvTranspose1d::ConvTranspose1d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
                                 const ConvTranspose1dOptions& options)
    : ConvNd(parent, std::move(name), kTransposed, in_channels, out_channels, as_2d(options),
             {0, options.output_padding}) {}

}  // namespace striate

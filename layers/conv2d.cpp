#include "layers/conv2d.h"

#include <algorithm>
#include <utility>

#include "core/integer.h"
#include "layers/conv/convolution.h"
#include "layers/init.h"

namespace striate {
namespace {

constexpr ConvKind kKind{.op = "conv2d", .layer = "Conv2d"};

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b, const Conv2dOptions& options) {
  return convolution(kKind, x, w, b, options);
}

void check_conv_options(const char* op, const Conv2dOptions& options, const Extent2d& output_padding) {
  const auto& [kernel_size, stride, padding, dilation, groups, bias, padding_mode] = options;
  expect_at_least(op, "kernel_size", kernel_size, 1);
  expect_at_least(op, "stride", stride, 1);
  expect_at_least(op, "padding", padding.sides, 0);
  expect_at_least(op, "dilation", dilation, 1);
  expect_at_least(op, "output_padding", output_padding, 0);
  expect(groups >= 1, op, "groups of at least 1", groups);
  expect(!padding.is_same || stride == Extent2d(1), op, "stride 1 with padding \"same\"", stride);
  expect(output_padding.height < std::max(stride.height, dilation.height), op,
         "output_padding less than stride or dilation", output_padding);
  expect(output_padding.width < std::max(stride.width, dilation.width), op,
         "output_padding less than stride or dilation", output_padding);
}

LayerGeometry conv_layer_geometry(const Conv2dOptions& options, bool transposed, std::int64_t products,
                                  const Shape& input, const Shape& output) {
  const auto of_an_image = [](const Shape& shape) { return numel(shape) / std::max<std::int64_t>(1, shape.at(0)); };
  const auto inputs = static_cast<double>(of_an_image(input));
  const auto outputs = static_cast<double>(of_an_image(output));
  LayerGeometry result = window_geometry(options.kernel_size, options.stride, options.dilation);
  if (transposed) {
    // Outputs that differ by the stride read by the same taps.
    result.upscale = std::exchange(result.stride, 1);
    result.kernel = ceil_div(result.kernel, result.upscale);
  }
  result.multiply_adds = (transposed ? inputs : outputs) * static_cast<double>(products);
  result.dense_parameters = outputs * (inputs + 1);
  return result;
}

ConvNd::ConvNd(Module& parent, std::string name, const ConvKind& kind, std::int64_t in_channels,
               std::int64_t out_channels, const Conv2dOptions& options, const Extent2d& output_padding)
    : Layer(parent, std::move(name)), kind_(kind), options_(options), output_padding_(output_padding) {
  check_conv_options(kind.op, options, output_padding);
  for (const std::int64_t channels : {in_channels, out_channels}) {
    expect(channels >= 1 && channels % options.groups == 0, kind.op,
           "in_channels and out_channels that are positive multiples of groups " + std::to_string(options.groups),
           std::to_string(in_channels) + " and " + std::to_string(out_channels));
  }
  // A transposed convolution has the weight of the convolution that gives its input.
  const auto [c, k] = kind.transposed ? std::pair(out_channels, in_channels) : std::pair(in_channels, out_channels);
  Shape shape = {options.kernel_size.height, options.kernel_size.width, c / options.groups, k};
  std::vector<int> file_axes = {3, 2, 0, 1};
  if (kind.one_d) {
    shape.erase(shape.begin());
    file_axes = {2, 1, 0};
  }
  add_parameter("weight", weight, Tensor::empty(shape), file_axes);
  if (options.bias) add_parameter("bias", bias, Tensor::empty({out_channels}));
  default_init_(weight, bias);
}

Tensor ConvNd::forward(const Tensor& x) { return convolution(kind_, x, weight, bias, options_, output_padding_); }

std::string ConvNd::kind() const { return kind_.layer; }

LayerGeometry ConvNd::geometry(const Shape& input, const Shape& output) const {
  return conv_layer_geometry(options_, kind_.transposed, weight.numel() / weight.size(-1), input, output);
}

Conv2d::Conv2d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
               const Conv2dOptions& options)
    : ConvNd(parent, std::move(name), kKind, in_channels, out_channels, options) {}

}  // namespace striate

#include "layers/pool1d.h"

#include "core/reshape.h"

namespace striate {
namespace {

std::optional<Extent2d> width_of(const std::optional<std::int64_t>& stride) {
  return stride ? std::optional(Extent2d(1, *stride)) : std::nullopt;
}

MaxPool2dOptions as_2d(const MaxPool1dOptions& o) {
  return {.kernel_size = {1, o.kernel_size},
          .stride = width_of(o.stride),
          .padding = {0, o.padding},
          .dilation = {1, o.dilation},
          .ceil_mode = o.ceil_mode};
}

AvgPool2dOptions as_2d(const AvgPool1dOptions& o) {
  return {.kernel_size = {1, o.kernel_size},
          .stride = width_of(o.stride),
          .padding = {0, o.padding},
          .ceil_mode = o.ceil_mode,
          .count_include_pad = o.count_include_pad};
}

// pool_images of (N,1,L,C), as (N,Q,C).
template <class F>
Tensor along_length(const char* op, const Tensor& x, F pool_images) {
  if (x.rank() != 3) shape_error(op, "input must be (N,L,C): got " + to_string(x.shape()));
  const Tensor y = pool_images(reshape(x, with_height(x.shape())));
  return reshape(y, {y.size(0), y.size(2), y.size(3)});
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const MaxPool1dOptions& options) {
  return along_length("max_pool1d", x, [&](const Tensor& images) { return max_pool2d(images, as_2d(options)); });
}

Tensor avg_pool1d(const Tensor& x, const AvgPool1dOptions& options) {
  return along_length("avg_pool1d", x, [&](const Tensor& images) { return avg_pool2d(images, as_2d(options)); });
}

Tensor adaptive_avg_pool1d(const Tensor& x, std::int64_t output_size) {
  return along_length("adaptive_avg_pool1d", x, [&](const Tensor& images) {
    return adaptive_avg_pool2d(images, {1, output_size});
  });
}

MaxPool1d::MaxPool1d(Module& parent, std::string name, const MaxPool1dOptions& options)
    : MaxPool2d(parent, std::move(name), as_2d(options)) {}

Tensor MaxPool1d::forward(const Tensor& x) {
  return along_length("max_pool1d", x, [&](const Tensor& images) { return MaxPool2d::forward(images); });
}

AvgPool1d::AvgPool1d(Module& parent, std::string name, const AvgPool1dOptions& options)
    : AvgPool2d(parent, std::move(name), as_2d(options)) {}

Tensor AvgPool1d::forward(const Tensor& x) {
  return along_length("avg_pool1d", x, [&](const Tensor& images) { return AvgPool2d::forward(images); });
}

AdaptiveAvgPool1d::AdaptiveAvgPool1d(Module& parent, std::string name, std::int64_t output_size)
    : AdaptiveAvgPool2d(parent, std::move(name), {1, output_size}) {}

Tensor AdaptiveAvgPool1d::forward(const Tensor& x) {
  return along_length("adaptive_avg_pool1d", x,
                      [&](const Tensor& images) { return AdaptiveAvgPool2d::forward(images); });
}

}  // namespace striate

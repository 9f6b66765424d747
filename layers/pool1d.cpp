#include "layers/pool1d.h"

#include <utility>

#include "core/reshape.h"
#include "layers/pooling.h"

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

// f(op, x as images (N,1,L,C), options), as (N,Q,C).
template <class F, class Options>
Tensor along_length(const char* op, const Tensor& x, F f, const Options& options) {
  if (x.rank() != 3) shape_error(op, "input must be (N,L,C): got " + to_string(x.shape()));
  const Tensor y = f(op, reshape(x, with_height(x.shape())), options);
  return reshape(y, {y.size(0), y.size(2), y.size(3)});
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const MaxPool1dOptions& options) {
  return along_length("max_pool1d", x, max_pool, as_2d(options));
}

Tensor avg_pool1d(const Tensor& x, const AvgPool1dOptions& options) {
  return along_length("avg_pool1d", x, avg_pool, as_2d(options));
}

Tensor adaptive_avg_pool1d(const Tensor& x, std::int64_t output_size) {
  return along_length("adaptive_avg_pool1d", x, adaptive_avg_pool, Extent2d(1, output_size));
}

MaxPool1d::MaxPool1d(Module& parent, std::string name, const MaxPool1dOptions& options)
    : FunctionLayer(
          parent, std::move(name), "MaxPool1d", [=](const Tensor& x) { return max_pool1d(x, options); },
          sliding_geometry("max_pool1d", as_2d(options))) {}

AvgPool1d::AvgPool1d(Module& parent, std::string name, const AvgPool1dOptions& options)
    : FunctionLayer(
          parent, std::move(name), "AvgPool1d", [=](const Tensor& x) { return avg_pool1d(x, options); },
          sliding_geometry("avg_pool1d", as_2d(options))) {}

AdaptiveAvgPool1d::AdaptiveAvgPool1d(Module& parent, std::string name, std::int64_t output_size)
    : FunctionLayer(
          parent, std::move(name), "AdaptiveAvgPool1d",
          [=](const Tensor& x) { return adaptive_avg_pool1d(x, output_size); },
          adaptive_geometry("adaptive_avg_pool1d", {1, output_size})) {}

}  // namespace striate

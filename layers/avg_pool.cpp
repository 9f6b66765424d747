#include "layers/avg_pool.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "layers/average_windows.h"
#include "layers/pooling.h"

namespace striate {
namespace {

std::vector<AxisWindow> windows(const WindowAxis& axis, bool count_include_pad) {
  std::vector<AxisWindow> result;
  for (std::int64_t i = 0; i < axis.output; ++i) {
    const std::int64_t start = axis.place(i, 0);
    const std::int64_t begin = std::max<std::int64_t>(start, 0);
    const std::int64_t end = std::min(start + axis.kernel, axis.input);
    const std::int64_t padded = std::min(start + axis.kernel, axis.input + axis.padding) - start;
    result.push_back({begin, end, static_cast<double>(count_include_pad ? padded : end - begin)});
  }
  return result;
}

}  // namespace

Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options) {
  const PoolGeometry g = check_pool("avg_pool2d", x,
                                    {.kernel_size = options.kernel_size,
                                     .stride = options.stride.value_or(options.kernel_size),
                                     .padding = options.padding,
                                     .dilation = 1,
                                     .ceil_mode = options.ceil_mode});
  std::vector<AxisWindow> rows = windows(g.rows, options.count_include_pad);
  std::vector<AxisWindow> columns = windows(g.columns, options.count_include_pad);
  if (options.divisor_override) {
    expect(*options.divisor_override != 0, "avg_pool2d", "a divisor_override other than 0", 0);
    for (AxisWindow& row : rows) row.count = static_cast<double>(*options.divisor_override);
    for (AxisWindow& column : columns) column.count = 1;
  }
  return average_windows("avg_pool2d", x, rows, columns);
}

AvgPool2d::AvgPool2d(Module& parent, std::string name, const AvgPool2dOptions& options)
    : Layer(parent, std::move(name)), options_(options) {}

LayerGeometry AvgPool2d::geometry(const Shape& /*input*/, const Shape& /*output*/) const {
  const Extent2d& kernel = options_.kernel_size;
  const Extent2d stride = options_.stride.value_or(kernel);
  return {.kernel = std::max(kernel.height, kernel.width), .stride = std::max(stride.height, stride.width)};
}

}  // namespace striate

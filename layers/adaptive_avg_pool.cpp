#include "layers/adaptive_avg_pool.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "layers/average_windows.h"

namespace striate {
namespace {

std::vector<AxisWindow> windows(std::int64_t input, std::int64_t output) {
  std::vector<AxisWindow> result;
  for (std::int64_t i = 0; i < output; ++i) {
    const std::int64_t begin = i * input / output;
    const std::int64_t end = ((i + 1) * input + output - 1) / output;
    result.push_back({begin, end, static_cast<double>(end - begin)});
  }
  return result;
}

void check(const Tensor& x, const Extent2d& output_size) {
  expect_at_least("adaptive_avg_pool2d", "output_size", output_size, 1);
  if (x.rank() != 4 || x.size(1) < 1 || x.size(2) < 1) {
    shape_error("adaptive_avg_pool2d",
                "input must be (N,H,W,C) with H and W of at least 1: got " + to_string(x.shape()));
  }
}

}  // namespace

Tensor adaptive_avg_pool2d(const Tensor& x, const Extent2d& output_size) {
  check(x, output_size);
  return average_windows("adaptive_avg_pool2d", x, windows(x.size(1), output_size.height),
                         windows(x.size(2), output_size.width));
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Module& parent, std::string name, const Extent2d& output_size)
    : Layer(parent, std::move(name)), output_size_(output_size) {}

LayerGeometry AdaptiveAvgPool2d::geometry(const Shape& input, const Shape& output) const {
  const std::int64_t window = std::max<std::int64_t>(1, input.at(1) / output.at(1));
  return {.kernel = window, .stride = window};
}

}  // namespace striate

#include "layers/pooling.h"

#include <limits>

#include "core/autograd.h"

namespace striate {
namespace {

void check_window(const char* op, const MaxPool2dOptions& window) {
  const Extent2d& kernel = window.kernel_size;
  expect_at_least(op, "kernel_size", kernel, 1);
  expect_at_least(op, "stride", window.stride.value_or(kernel), 1);
  expect_at_least(op, "padding", window.padding, 0);
  expect_at_least(op, "dilation", window.dilation, 1);
  expect(window.padding.height <= kernel.height / 2 && window.padding.width <= kernel.width / 2, op,
         "padding of at most half the kernel_size " + to_string(kernel), window.padding);
  expect(kernel.height * kernel.width <= std::numeric_limits<std::int32_t>::max(), op,
         "kernel_size of less than 2^31 places", kernel);
}

}  // namespace

PoolGeometry check_pool(const char* op, const Tensor& x, const MaxPool2dOptions& window) {
  check_window(op, window);
  const Extent2d& kernel = window.kernel_size;
  const Extent2d stride = window.stride.value_or(kernel);
  if (x.rank() != 4) shape_error(op, "input must be (N,H,W,C): got " + to_string(x.shape()));
  const auto axis = [&](std::int64_t input, std::int64_t Extent2d::*side) {
    WindowAxis result{input, 0, kernel.*side, stride.*side, window.padding.*side, window.dilation.*side};
    result.output = output_size(result, window.ceil_mode);
    return result;
  };
  const PoolGeometry geometry{.batch = x.size(0),
                              .channels = x.size(3),
                              .rows = axis(x.size(1), &Extent2d::height),
                              .columns = axis(x.size(2), &Extent2d::width)};
  if (x.size(1) < 1 || x.size(2) < 1 || geometry.rows.output < 1 || geometry.columns.output < 1) {
    shape_error(op, "the window must fit into the padded input: input " + to_string(x.shape()) + ", kernel_size " +
                        to_string(kernel) + ", dilation " + to_string(window.dilation) + ", padding " +
                        to_string(window.padding));
  }
  return geometry;
}

Shape check_adaptive_pool(const char* op, const Tensor& x, const Extent2d& output_size) {
  expect_at_least(op, "output_size", output_size, 1);
  if (x.rank() != 4 || x.size(1) < 1 || x.size(2) < 1) {
    shape_error(op, "input must be (N,H,W,C) with H and W of at least 1: got " + to_string(x.shape()));
  }
  return {x.size(0), output_size.height, output_size.width, x.size(3)};
}

AdaptiveWindow adaptive_window(std::int64_t input, std::int64_t output, std::int64_t i) {
  // floor(place * input / output), without that product.
  const auto start = [&](std::int64_t place) { return place * (input / output) + place * (input % output) / output; };
  return {start(i), input - start(output - 1 - i)};
}

FunctionLayer::Geometry sliding_geometry(const char* op, const MaxPool2dOptions& window) {
  check_window(op, window);
  const LayerGeometry geometry =
      window_geometry(window.kernel_size, window.stride.value_or(window.kernel_size), window.dilation);
  return [=](const Shape&, const Shape&) { return geometry; };
}

FunctionLayer::Geometry adaptive_geometry(const char* op, const Extent2d& output_size) {
  expect_at_least(op, "output_size", output_size, 1);
  return [](const Shape& input, const Shape& output) -> LayerGeometry {
    const std::int64_t window = std::max<std::int64_t>(1, input.at(1) / std::max<std::int64_t>(1, output.at(1)));
    return {.kernel = window, .stride = window};
  };
}

Trace::Value resample_in(Trace& t, const Tensor& x, const Tensor& rows, const Tensor& columns) {
  const std::vector<std::int64_t> swapped = {0, 1, 3, 2};  // for readers that take a matrix on the right alone
  const auto by_columns = t.add("Transpose", {t.add("MatMul", {t.value(x), t.value(columns)})}, {{"perm", swapped}});
  return t.add("Transpose", {t.add("MatMul", {by_columns, t.value(rows)})}, {{"perm", swapped}});
}

Tensor pool_nothing(const char* op, const Tensor& x, const Shape& output) {
  Tensor y = Tensor::empty(output, x.dtype());
  record(op, y, {x}, [input = x.shape()](Backward& bw) { bw.add(0, Tensor::zeros(input, bw.dy().dtype())); });
  return y;
}

}  // namespace striate

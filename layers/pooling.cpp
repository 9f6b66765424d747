#include "layers/pooling.h"

namespace striate {
std::vector<TapRange> taps_inside(const WindowAxis& axis) {
  std::vector<TapRange> result;
  for (std::int64_t i = 0; i < axis.output; ++i) {
    result.push_back(taps_inside(axis.kernel, axis.input, [&](std::int64_t tap) { return axis.place(i, tap); }));
  }
  return result;
}

PoolGeometry check_pool(const char* op, const Tensor& x, const PoolWindow& window) {
  expect_at_least(op, "kernel_size", window.kernel_size, 1);
  expect_at_least(op, "stride", window.stride, 1);
  expect_at_least(op, "padding", window.padding, 0);
  expect_at_least(op, "dilation", window.dilation, 1);
  expect(window.padding.height <= window.kernel_size.height / 2 && window.padding.width <= window.kernel_size.width / 2,
         op, "padding of at most half the kernel_size " + to_string(window.kernel_size), window.padding);
  if (x.rank() != 4) shape_error(op, "input must be (N,H,W,C): got " + to_string(x.shape()));
  PoolGeometry geometry{.batch = x.size(0),
                        .channels = x.size(3),
                        .rows = {.input = x.size(1),
                                 .output = 0,
                                 .kernel = window.kernel_size.height,
                                 .stride = window.stride.height,
                                 .padding = window.padding.height,
                                 .dilation = window.dilation.height},
                        .columns = {.input = x.size(2),
                                    .output = 0,
                                    .kernel = window.kernel_size.width,
                                    .stride = window.stride.width,
                                    .padding = window.padding.width,
                                    .dilation = window.dilation.width}};
  geometry.rows.output = output_size(geometry.rows, window.ceil_mode);
  geometry.columns.output = output_size(geometry.columns, window.ceil_mode);
  if (x.size(1) < 1 || x.size(2) < 1 || geometry.rows.output < 1 || geometry.columns.output < 1) {
    shape_error(op, "the window must fit into the padded input: input " + to_string(x.shape()) + ", kernel_size " +
                        to_string(window.kernel_size) + ", dilation " + to_string(window.dilation) + ", padding " +
                        to_string(window.padding));
  }
  return geometry;
}

}  // namespace striate

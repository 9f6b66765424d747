#include "layers/average_windows.h"

#include <algorithm>
#include <array>

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "layers/pooling.h"

namespace striate {
namespace {

constexpr std::int64_t kTile = 64;  // channels whose sums stay in the first-level cache

template <class T, class P>
void add(const T* __restrict x, P* __restrict sum, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) sum[c] += static_cast<P>(x[c]);
}

template <class T, class P>
void add_scaled(const T* __restrict dy, P factor, P* __restrict dx, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) dx[c] += static_cast<P>(dy[c]) * factor;
}

// One output position, `channels` at most `kTile`. x points at its first channel in the image's corner.
template <class T>
void window_mean(const T* x, const AxisWindow& rows, const AxisWindow& columns, std::int64_t width, std::int64_t stride,
                 std::int64_t channels, T* y) {
  using P = compute_t<T>;
  std::array<P, kTile> sums;
  P* sum = sums.data();
  std::fill_n(sum, channels, P{0});
  for (std::int64_t h = rows.begin; h < rows.end; ++h) {
    for (std::int64_t w = columns.begin; w < columns.end; ++w) {
      add(x + (h * width + w) * stride, sum, channels);
    }
  }
  const auto divisor = static_cast<P>(rows.count * columns.count);
  for (std::int64_t c = 0; c < channels; ++c) y[c] = static_cast<T>(sum[c] / divisor);
}

template <class T>
void forward(const Tensor& x, const std::vector<AxisWindow>& rows, const std::vector<AxisWindow>& columns, Tensor& y) {
  const std::int64_t width = x.size(2);
  const std::int64_t channels = x.size(3);
  const std::int64_t image = x.size(1) * width * channels;
  const std::int64_t row = y.size(2) * channels;
  const auto row_count = static_cast<std::int64_t>(rows.size());
  const T* from = x.data<T>();
  T* to = y.mutable_data<T>();
  parallel_for(x.size(0) * row_count, row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* corner = from + i / row_count * image;
      T* at = to + i * row;
      for (const AxisWindow& column : columns) {
        for (std::int64_t c = 0; c < channels; c += kTile) {
          window_mean(corner + c, rows[static_cast<std::size_t>(i % row_count)], column, width, channels,
                      std::min(kTile, channels - c), at + c);
        }
        at += channels;
      }
    }
  });
}

// Every row of dx gathers from the windows that cover it, so that rows are independent where windows overlap.
template <class T>
Tensor backward(const Tensor& dy, const Shape& input, const std::vector<AxisWindow>& rows,
                const std::vector<AxisWindow>& columns) {
  using P = compute_t<T>;
  Tensor dx = Tensor::empty(input, dy.dtype());
  const std::int64_t height = input[1];
  const std::int64_t channels = input[3];
  const std::int64_t row = input[2] * channels;
  const std::int64_t dy_row = dy.size(2) * channels;
  const auto row_count = static_cast<std::int64_t>(rows.size());
  const T* from = dy.data<T>();
  T* to = dx.mutable_data<T>();
  const auto gather = [&](std::int64_t n, std::int64_t h, P* sums) {
    for (std::int64_t p = 0; p < row_count; ++p) {
      const AxisWindow& window = rows[static_cast<std::size_t>(p)];
      if (h < window.begin || h >= window.end) continue;
      const T* gradient = from + (n * row_count + p) * dy_row;
      for (const AxisWindow& column : columns) {
        const auto factor = static_cast<P>(1 / (window.count * column.count));
        for (std::int64_t w = column.begin; w < column.end; ++w) {
          add_scaled(gradient, factor, sums + w * channels, channels);
        }
        gradient += channels;
      }
    }
  };
  parallel_for(input[0] * height, row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      accumulate_row(to + i * row, row, [&](P* sums) { gather(i / height, i % height, sums); });
    }
  });
  return dx;
}

}  // namespace

Tensor average_windows(const char* op, const Tensor& x, const std::vector<AxisWindow>& rows,
                       const std::vector<AxisWindow>& columns) {
  Tensor y = Tensor::empty(
      {x.size(0), static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(columns.size()), x.size(3)},
      x.dtype());
  dispatch_floating(op, x.dtype(), [&]<class T>(T) { forward<T>(x, rows, columns, y); });
  record(op, y, {x}, [op, input = x.shape(), rows, columns](Backward& bw) {
    dispatch_floating(op, bw.dy().dtype(), [&]<class T>(T) { bw.add(0, backward<T>(bw.dy(), input, rows, columns)); });
  });
  return y;
}

}  // namespace striate

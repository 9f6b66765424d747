#include "layers/avg_pool.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"
#include "core/trace.h"
#include "layers/by_register.h"
#include "layers/pooling.h"

namespace striate {
namespace {

// Along one axis: output i covers begin .. end-1 of the input, and gives its share `count` in the divisor. Both ends
// never fall from one output to the next.
struct AxisWindow {
  std::int64_t begin;
  std::int64_t end;
  double count;
};

using AxisWindows = std::vector<AxisWindow>;

template <class T, class P>
void add_scaled(const T* __restrict dy, P factor, P* __restrict dx, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) dx[c] += static_cast<P>(dy[c]) * factor;
}

// One output position. x is the image's corner, rows of it are `width` pixels.
template <class T>
void window_mean(const T* x, const AxisWindow& rows, const AxisWindow& columns, std::int64_t width,
                 std::int64_t channels, T* y) {
  using P = compute_t<T>;
  const auto divisor = static_cast<P>(rows.count * columns.count);
  by_register_group<P, 4>(channels, [&](auto zero, auto group, std::int64_t c) {
    using V = decltype(zero);
    V sum[group] = {};
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t w = columns.begin; w < columns.end; ++w) {
        const T* from = x + (h * width + w) * channels + c;
        for (int i = 0; i < group; ++i) sum[i] += read<V>(from + i * values_in<V>);
      }
    }
    for (int i = 0; i < group; ++i) write(y + c + i * values_in<V>, sum[i] / divisor);
  });
}

template <class T>
void forward(const Tensor& x, const AxisWindows& rows, const AxisWindows& columns, Tensor& y) {
  const std::int64_t width = x.size(2);
  const std::int64_t channels = x.size(3);
  const std::int64_t image = x.size(1) * width * channels;
  const std::int64_t row = y.size(2) * channels;
  const T* from = x.data<T>();
  T* to = y.mutable_data<T>();
  parallel_for(x.size(0) * y.size(1), row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T* at = to + i * row;
      for (const AxisWindow& column : columns) {
        window_mean(from + i / y.size(1) * image, rows[static_cast<std::size_t>(i % y.size(1))], column, width,
                    channels, at);
        at += channels;
      }
    }
  });
}

// Calls fill(row) with `count` zeroed sums in T's compute type, and stores what it made of them at `to`.
template <class T, class Fill>
void accumulate_row(T* to, std::int64_t count, Fill fill) {
  using P = compute_t<T>;
  if constexpr (std::is_same_v<T, P>) {
    std::fill_n(to, count, P{0});
    fill(to);
  } else {
    std::vector<P> row(static_cast<std::size_t>(count));
    fill(row.data());
    std::transform(row.begin(), row.end(), to, [](P sum) { return static_cast<T>(sum); });
  }
}

// Every row of dx gathers from the windows that cover it, so that rows are independent where windows overlap.
template <class T>
Tensor backward(const Tensor& dy, const Shape& input, const AxisWindows& rows, const AxisWindows& columns) {
  using P = compute_t<T>;
  Tensor dx = Tensor::empty(input, dy.dtype());
  const std::int64_t height = input[1];
  const std::int64_t channels = input[3];
  const std::int64_t row = input[2] * channels;
  const std::int64_t dy_row = dy.size(2) * channels;
  const std::int64_t row_count = std::ssize(rows);
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

// In ONNX: how far apart windows are that all lie inside and count what they hold; 0 for others.
std::int64_t even_stride(const AxisWindows& windows) {
  const auto length = [](const AxisWindow& w) { return w.end - w.begin; };
  const AxisWindow& first = windows.front();
  const std::int64_t stride = windows.size() > 1 ? windows[1].begin - first.begin : length(first);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (windows[i].begin != static_cast<std::int64_t>(i) * stride || length(windows[i]) != length(first)) return 0;
    if (windows[i].count != static_cast<double>(length(first))) return 0;
  }
  return stride;
}

// What one axis contributes to each output, (inputs, outputs).
Tensor shares(const AxisWindows& windows, std::int64_t inputs) {
  const std::int64_t outputs = std::ssize(windows);
  Tensor result = Tensor::zeros({inputs, outputs});
  for (std::int64_t i = 0; i < outputs; ++i) {
    const auto& [begin, end, count] = windows[static_cast<std::size_t>(i)];
    for (std::int64_t at = begin; at < end; ++at) {
      result.mutable_data<float>()[at * outputs + i] = static_cast<float>(1 / count);
    }
  }
  return result;
}

// Only windows that all readers understand alike are pools: they differ in what of the padding counts.
Trace::Value average_in(Trace& t, const Tensor& x, const AxisWindows& rows, const AxisWindows& columns) {
  const std::int64_t down = even_stride(rows);
  const std::int64_t across = even_stride(columns);
  if (down == 0 || across == 0) return resample_in(t, x, shares(rows, x.size(1)), shares(columns, x.size(2)));
  const std::vector<std::int64_t> kernel = {rows[0].end, columns[0].end};
  if (rows.size() == 1 && columns.size() == 1 && kernel[0] == x.size(1) && kernel[1] == x.size(2)) {
    return t.add("GlobalAveragePool", {t.value(x)});
  }
  return t.add("AveragePool", {t.value(x)}, {{"kernel_shape", kernel}, {"strides", std::vector{down, across}}});
}

// y[n,p,q,c] = sum of x[n,h,w,c] over h in rows[p], w in columns[q], over rows[p].count * columns[q].count.
Tensor average_windows(const char* op, const Tensor& x, Tensor& y, const AxisWindows& rows,
                       const AxisWindows& columns) {
  dispatch_floating(op, x.dtype(), [&]<class T>(T) { forward<T>(x, rows, columns, y); });
  record(op, y, {x}, [op, input = x.shape(), rows, columns](Backward& bw) {
    dispatch_floating(op, bw.dy().dtype(), [&]<class T>(T) { bw.add(0, backward<T>(bw.dy(), input, rows, columns)); });
  });
  traced(y, [&](Trace& t) { return average_in(t, x, rows, columns); });
  return y;
}

MaxPool2dOptions window_of(const AvgPool2dOptions& options) {
  return {.kernel_size = options.kernel_size,
          .stride = options.stride,
          .padding = options.padding,
          .ceil_mode = options.ceil_mode};
}

AxisWindows sliding_windows(const WindowAxis& axis, bool count_include_pad) {
  AxisWindows result;
  for (std::int64_t i = 0; i < axis.output; ++i) {
    const std::int64_t start = axis.place(i, 0);
    const auto [begin, end] = axis.taps_inside(i);
    const std::int64_t padded = std::min(axis.kernel, axis.input + axis.padding - start);
    result.push_back({start + begin, start + end, static_cast<double>(count_include_pad ? padded : end - begin)});
  }
  return result;
}

AxisWindows adaptive_windows(std::int64_t input, std::int64_t output) {
  AxisWindows result;
  for (std::int64_t i = 0; i < output; ++i) {
    const auto [begin, end] = adaptive_window(input, output, i);
    result.push_back({begin, end, static_cast<double>(end - begin)});
  }
  return result;
}

}  // namespace

Tensor avg_pool(const char* op, const Tensor& x, const AvgPool2dOptions& options) {
  const PoolGeometry g = check_pool(op, x, window_of(options));
  if (options.divisor_override) expect(*options.divisor_override != 0, op, "a divisor_override other than 0", 0);
  const Shape shape = {g.batch, g.rows.output, g.columns.output, g.channels};
  if (x.numel() == 0) return pool_nothing(op, x, shape);
  Tensor y = Tensor::empty(shape, x.dtype());
  AxisWindows rows = sliding_windows(g.rows, options.count_include_pad);
  AxisWindows columns = sliding_windows(g.columns, options.count_include_pad);
  if (options.divisor_override) {
    for (AxisWindow& row : rows) row.count = static_cast<double>(*options.divisor_override);
    for (AxisWindow& column : columns) column.count = 1;
  }
  return average_windows(op, x, y, rows, columns);
}

Tensor adaptive_avg_pool(const char* op, const Tensor& x, const Extent2d& output_size) {
  const Shape shape = check_adaptive_pool(op, x, output_size);
  if (x.numel() == 0) return pool_nothing(op, x, shape);
  Tensor y = Tensor::empty(shape, x.dtype());  // before the windows: too many are refused here
  return average_windows(op, x, y, adaptive_windows(x.size(1), output_size.height),
                         adaptive_windows(x.size(2), output_size.width));
}

FunctionLayer::Geometry sliding_geometry(const char* op, const AvgPool2dOptions& options) {
  return sliding_geometry(op, window_of(options));
}

Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options) { return avg_pool("avg_pool2d", x, options); }

Tensor adaptive_avg_pool2d(const Tensor& x, const Extent2d& output_size) {
  return adaptive_avg_pool("adaptive_avg_pool2d", x, output_size);
}

AvgPool2d::AvgPool2d(Module& parent, std::string name, const AvgPool2dOptions& options)
    : FunctionLayer(
          parent, std::move(name), "AvgPool2d", [=](const Tensor& x) { return avg_pool2d(x, options); },
          sliding_geometry("avg_pool2d", options)) {}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Module& parent, std::string name, const Extent2d& output_size)
    : FunctionLayer(
          parent, std::move(name), "AdaptiveAvgPool2d",
          [=](const Tensor& x) { return adaptive_avg_pool2d(x, output_size); },
          adaptive_geometry("adaptive_avg_pool2d", output_size)) {}

}  // namespace striate

#include "layers/max_pool.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/trace.h"
#include "layers/by_register.h"
#include "layers/pooling.h"

namespace striate {
namespace {

// Along one axis: where tap 0 of output i is, or would be, and which of its taps lie inside the input.
struct AxisWindow {
  std::int64_t start;
  TapRange taps;
};

struct PoolAxis {
  std::int64_t input, output, kernel, dilation;
  std::vector<AxisWindow> windows;

  [[nodiscard]] const AxisWindow& window(std::int64_t i) const { return windows[static_cast<std::size_t>(i)]; }
};

// The windows of all outputs.
struct Windows {
  std::int64_t batch, channels;
  PoolAxis rows, columns;
};

// Per value of a V the number of a tap (its place in the window), in 32 bits.
template <class V>
using Taps = std::conditional_t<std::is_same_v<V, Vec>, VecBits, std::uint32_t>;

template <class Tap>
struct TapsInMemory {
  using Register [[gnu::vector_size(lanes * sizeof(Tap))]] = Tap;
};

template <class V, class Tap>
Taps<V> read_taps(const Tap* from) {
  if constexpr (std::is_same_v<V, Vec>) {
    typename TapsInMemory<Tap>::Register taps;
    std::memcpy(&taps, from, sizeof taps);
    return __builtin_convertvector(taps, VecBits);
  } else {
    return static_cast<std::uint32_t>(*from);
  }
}

template <class Tap>
void write_taps(Tap* to, VecBits values) {
  const auto taps = __builtin_convertvector(values, typename TapsInMemory<Tap>::Register);
  std::memcpy(to, &taps, sizeof taps);
}

template <class Tap>
void write_taps(Tap* to, std::uint32_t value) {
  *to = static_cast<Tap>(value);
}

// One output position: y and, where wanted, the taps that the maxima came from. Tap (0,0) is, or would be, at
// x[corner].
template <class T, class Tap>
void window_maximum(const T* x, std::int64_t corner, const Windows& g, const TapRange& rows, const TapRange& columns,
                    T* y, Tap* taps) {
  by_register_group<compute_t<T>, 4>(g.channels, [&](auto zero, auto group, std::int64_t c) {
    using V = decltype(zero);
    V best[group];
    Taps<V> best_taps[group];
    for (int i = 0; i < group; ++i) {
      best[i] = zero - std::numeric_limits<compute_t<T>>::infinity();
      // Where every value is -inf the first tap inside the input has the gradient.
      best_taps[i] = Taps<V>{} + static_cast<std::uint32_t>(rows.begin * g.columns.kernel + columns.begin);
    }
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      for (std::int64_t s = columns.begin; s < columns.end; ++s) {
        const std::int64_t place = r * g.rows.dilation * g.columns.input + s * g.columns.dilation;
        const T* from = x + (corner + place * g.channels + c);
        const auto tap = Taps<V>{} + static_cast<std::uint32_t>(r * g.columns.kernel + s);
        for (int i = 0; i < group; ++i) {
          const V value = read<V>(from + i * values_in<V>);
          // Not a number, which differs from itself, wins too.
          const auto takes = (value > best[i]) | (value != value);  // NOLINT(misc-redundant-expression): NaN
          best[i] = takes ? value : best[i];
          best_taps[i] = takes ? tap : best_taps[i];
        }
      }
    }
    for (int i = 0; i < group; ++i) write(y + c + i * values_in<V>, best[i]);
    for (int i = 0; taps != nullptr && i < group; ++i) write_taps(taps + c + i * values_in<V>, best_taps[i]);
  });
}

template <class T, class Tap>
void forward(const Tensor& x, const Windows& g, Tensor& y, Tap* taps) {
  const T* from = x.data<T>();
  T* to = y.mutable_data<T>();
  const std::int64_t row = g.columns.output * g.channels;
  const auto pool_row = [&](std::int64_t n, std::int64_t p) {
    const auto& [top, rows] = g.rows.window(p);
    for (std::int64_t q = 0; q < g.columns.output; ++q) {
      const auto& [left, columns] = g.columns.window(q);
      const std::int64_t corner = ((n * g.rows.input + top) * g.columns.input + left) * g.channels;
      const std::int64_t at = (n * g.rows.output + p) * row + q * g.channels;
      window_maximum(from, corner, g, rows, columns, to + at, taps == nullptr ? nullptr : taps + at);
    }
  };
  parallel_for(g.batch * g.rows.output, row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) pool_row(i / g.rows.output, i % g.rows.output);
  });
}

// A window that covers an input, and the tap that does.
struct Cover {
  std::int64_t output;
  std::int64_t tap;
};

// For every input of the axis.
std::vector<std::vector<Cover>> covers_of(const PoolAxis& axis) {
  std::vector<std::vector<Cover>> result(static_cast<std::size_t>(axis.input));
  for (std::int64_t i = 0; i < axis.output; ++i) {
    const auto& [start, taps] = axis.window(i);
    for (std::int64_t tap = taps.begin; tap < taps.end; ++tap) {
      result[static_cast<std::size_t>(start + tap * axis.dilation)].push_back({i, tap});
    }
  }
  return result;
}

// Every position of dx gathers from the windows that cover it, so that positions are independent even where windows
// overlap. `argmax` is the tap that each output's maximum came from.
template <class T, class Tap>
Tensor backward(const Tensor& dy, const Windows& g, const Tensor& argmax) {
  Tensor dx = Tensor::empty({g.batch, g.rows.input, g.columns.input, g.channels}, dy.dtype());
  T* to = dx.mutable_data<T>();
  const T* from = dy.data<T>();
  const Tap* taps = argmax.data<Tap>();
  const auto row_covers = covers_of(g.rows);
  const auto column_covers = covers_of(g.columns);
  const auto gather = [&](std::int64_t n, const std::vector<Cover>& rows, const std::vector<Cover>& columns, T* sums) {
    by_register_group<compute_t<T>, 4>(g.channels, [&](auto zero, auto group, std::int64_t c) {
      using V = decltype(zero);
      V sum[group] = {};
      for (const auto& [p, r] : rows) {
        for (const auto& [q, s] : columns) {
          const std::int64_t at = ((n * g.rows.output + p) * g.columns.output + q) * g.channels + c;
          const auto tap = static_cast<std::uint32_t>(r * g.columns.kernel + s);
          for (int i = 0; i < group; ++i) {
            const auto takes = read_taps<V>(taps + at + i * values_in<V>) == tap;
            sum[i] += select(takes, read<V>(from + at + i * values_in<V>));
          }
        }
      }
      for (int i = 0; i < group; ++i) write(sums + c + i * values_in<V>, sum[i]);
    });
  };
  const std::int64_t row = g.columns.input * g.channels;
  parallel_for(g.batch * g.rows.input, row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t w = 0; w < g.columns.input; ++w) {
        gather(i / g.rows.input, row_covers[static_cast<std::size_t>(i % g.rows.input)],
               column_covers[static_cast<std::size_t>(w)], to + i * row + w * g.channels);
      }
    }
  });
  return dx;
}

// f(u8) where a tap's number fits, else f(i64).
template <class F>
void with_tap_type(const Windows& g, F&& f) {
  if (g.rows.kernel * g.columns.kernel <= 255) {
    f(std::uint8_t{});
  } else {
    f(std::int64_t{});
  }
}

PoolAxis sliding(const WindowAxis& axis) {
  PoolAxis result{axis.input, axis.output, axis.kernel, axis.dilation, {}};
  for (std::int64_t i = 0; i < axis.output; ++i) result.windows.push_back({axis.place(i, 0), axis.taps_inside(i)});
  return result;
}

PoolAxis adaptive(std::int64_t input, std::int64_t output) {
  PoolAxis result{input, output, 1, 1, {}};
  for (std::int64_t i = 0; i < output; ++i) {
    const auto [begin, end] = adaptive_window(input, output, i);
    result.windows.push_back({begin, {0, end - begin}});
    result.kernel = std::max(result.kernel, end - begin);
  }
  return result;
}

void pool(const char* op, const Tensor& x, Tensor& y, const Windows& g) {
  Tensor argmax;
  dispatch_floating(op, x.dtype(), [&]<class T>(T) {
    with_tap_type(g, [&]<class Tap>(Tap) {
      if (recording({x})) argmax = Tensor::empty(y.shape(), DTypeOf<Tap>::value);
      forward<T, Tap>(x, g, y, argmax.defined() ? argmax.mutable_data<Tap>() : nullptr);
    });
  });
  record(op, y, {x}, [op, g, argmax](Backward& bw) {
    dispatch_floating(op, bw.dy().dtype(), [&]<class T>(T) {
      with_tap_type(g, [&]<class Tap>(Tap) { bw.add(0, backward<T, Tap>(bw.dy(), g, argmax)); });
    });
  });
}

// In ONNX. With ceil_mode, which readers round differently, the padding behind is what the last window needs.
Trace::Value max_pool_in(Trace& t, const Tensor& x, const PoolGeometry& g, bool ceil_mode) {
  const auto behind = [&](const WindowAxis& axis) {
    if (!ceil_mode) return axis.padding;
    return std::max<std::int64_t>(0, axis.place(axis.output - 1, axis.kernel - 1) + 1 - axis.input);
  };
  const auto& [batch, channels, rows, columns] = g;
  return t.add("MaxPool", {t.value(x)},
               {{"kernel_shape", std::vector{rows.kernel, columns.kernel}},
                {"strides", std::vector{rows.stride, columns.stride}},
                {"dilations", std::vector{rows.dilation, columns.dilation}},
                {"pads", std::vector{rows.padding, columns.padding, behind(rows), behind(columns)}}});
}

}  // namespace

Tensor max_pool(const char* op, const Tensor& x, const MaxPool2dOptions& options) {
  const PoolGeometry g = check_pool(op, x, options);
  const Shape shape = {g.batch, g.rows.output, g.columns.output, g.channels};
  if (x.numel() == 0) return pool_nothing(op, x, shape);
  Tensor y = Tensor::empty(shape, x.dtype());  // before the windows: too many are refused here
  pool(op, x, y, {g.batch, g.channels, sliding(g.rows), sliding(g.columns)});
  traced(y, [&](Trace& t) { return max_pool_in(t, x, g, options.ceil_mode); });
  return y;
}

Tensor max_pool2d(const Tensor& x, const MaxPool2dOptions& options) { return max_pool("max_pool2d", x, options); }

Tensor adaptive_max_pool2d(const Tensor& x, const Extent2d& output_size) {
  constexpr const char* op = "adaptive_max_pool2d";
  const Shape shape = check_adaptive_pool(op, x, output_size);
  if (x.numel() == 0) return pool_nothing(op, x, shape);
  Tensor y = Tensor::empty(shape, x.dtype());
  const Windows windows{x.size(0), x.size(3), adaptive(x.size(1), output_size.height),
                        adaptive(x.size(2), output_size.width)};
  if (windows.rows.kernel * windows.columns.kernel > std::numeric_limits<std::int32_t>::max()) {
    shape_error(op, "windows must have less than 2^31 places: input " + to_string(x.shape()) + ", output_size " +
                        to_string(output_size));
  }
  pool(op, x, y, windows);
  traced(y, [&](Trace& t) { return output_size == 1 ? t.add("GlobalMaxPool", {t.value(x)}) : Trace::kNone; });
  return y;
}

MaxPool2d::MaxPool2d(Module& parent, std::string name, const MaxPool2dOptions& options)
    : FunctionLayer(
          parent, std::move(name), "MaxPool2d", [=](const Tensor& x) { return max_pool2d(x, options); },
          sliding_geometry("max_pool2d", options)) {}

AdaptiveMaxPool2d::AdaptiveMaxPool2d(Module& parent, std::string name, const Extent2d& output_size)
    : FunctionLayer(
          parent, std::move(name), "AdaptiveMaxPool2d",
          [=](const Tensor& x) { return adaptive_max_pool2d(x, output_size); },
          adaptive_geometry("adaptive_max_pool2d", output_size)) {}

}  // namespace striate

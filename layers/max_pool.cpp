#include "layers/max_pool.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "layers/pooling.h"

namespace striate {
namespace {

constexpr std::int64_t tile = 64;  // channels whose maxima stay in the first-level cache

// Where x is larger than best or NaN, it takes over, and so does its tap.
template <class T, class P>
void take_larger(const T* __restrict x, std::int32_t tap, P* __restrict best, std::int32_t* __restrict taps,
                 std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto value = static_cast<P>(x[c]);
    const bool takes = value > best[c] || std::isnan(value);
    best[c] = takes ? value : best[c];
    taps[c] = takes ? tap : taps[c];
  }
}

// dx += dy where the window's maximum was at this tap.
template <class T, class P, class Tap>
void add_where_taken(const T* __restrict dy, const Tap* __restrict taps, Tap tap, P* __restrict dx,
                     std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) dx[c] += taps[c] == tap ? static_cast<P>(dy[c]) : P{0};
}

// One output position, `channels` at most `tile`: y and, where wanted, the taps that the maxima came from.
// Tap (0,0) of the first channel is, or would be, at x[corner].
template <class T, class Tap>
void window_maximum(const T* x, std::int64_t corner, const PoolGeometry& g, const TapRange& rows,
                    const TapRange& columns, std::int64_t channels, T* y, Tap* taps) {
  using P = compute_t<T>;
  std::array<P, tile> best;
  std::array<std::int32_t, tile> best_taps;
  std::fill_n(best.data(), channels, -std::numeric_limits<P>::infinity());
  // Where every value is -inf the first tap inside the input has the gradient.
  std::fill_n(best_taps.data(), channels,
              static_cast<std::int32_t>(rows.begin * g.columns.kernel + columns.begin));
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    for (std::int64_t s = columns.begin; s < columns.end; ++s) {
      const std::int64_t place = r * g.rows.dilation * g.columns.input + s * g.columns.dilation;
      take_larger(x + (corner + place * g.channels), static_cast<std::int32_t>(r * g.columns.kernel + s),
                  best.data(), best_taps.data(), channels);
    }
  }
  std::transform(best.data(), best.data() + channels, y, [](P value) { return static_cast<T>(value); });
  if (taps == nullptr) return;
  std::transform(best_taps.data(), best_taps.data() + channels, taps,
                 [](std::int32_t tap) { return static_cast<Tap>(tap); });
}

template <class T, class Tap>
void forward(const Tensor& x, const PoolGeometry& g, Tensor& y, Tap* taps) {
  const T* from = x.data<T>();
  T* to = y.mutable_data<T>();
  const std::vector<TapRange> rows = taps_inside(g.rows);
  const std::vector<TapRange> columns = taps_inside(g.columns);
  const std::int64_t row = g.columns.output * g.channels;
  const auto pool_row = [&](std::int64_t n, std::int64_t p) {
    const std::int64_t top = n * g.rows.input + g.rows.place(p, 0);
    for (std::int64_t q = 0; q < g.columns.output; ++q) {
      const std::int64_t corner = (top * g.columns.input + g.columns.place(q, 0)) * g.channels;
      const std::int64_t at = (n * g.rows.output + p) * row + q * g.channels;
      for (std::int64_t c = 0; c < g.channels; c += tile) {
        window_maximum(from, corner + c, g, rows[static_cast<std::size_t>(p)],
                       columns[static_cast<std::size_t>(q)], std::min(tile, g.channels - c), to + at + c,
                       taps == nullptr ? nullptr : taps + at + c);
      }
    }
  };
  parallel_for(g.batch * g.rows.output, row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) pool_row(i / g.rows.output, i % g.rows.output);
  });
}

// Every row of dx gathers from the windows that look at it, so that rows are independent even where windows
// overlap.
template <class T, class Tap>
Tensor backward(const Tensor& dy, const PoolGeometry& g, const Tensor& taken) {
  using P = compute_t<T>;
  Tensor dx = Tensor::empty({g.batch, g.rows.input, g.columns.input, g.channels}, dy.dtype());
  T* to = dx.mutable_data<T>();
  const T* from = dy.data<T>();
  const Tap* taps = taken.data<Tap>();
  const std::int64_t row = g.columns.input * g.channels;
  const std::vector<TapRange> columns = taps_inside(g.columns);
  const auto gather = [&](std::int64_t n, std::int64_t h, P* sums) {
    for (std::int64_t r = 0; r < g.rows.kernel; ++r) {
      const std::int64_t start = h + g.rows.padding - r * g.rows.dilation;
      const std::int64_t p = start / g.rows.stride;
      if (start < 0 || start % g.rows.stride != 0 || p >= g.rows.output) continue;
      for (std::int64_t q = 0; q < g.columns.output; ++q) {
        const std::int64_t at = ((n * g.rows.output + p) * g.columns.output + q) * g.channels;
        const TapRange& inside = columns[static_cast<std::size_t>(q)];
        for (std::int64_t s = inside.begin; s < inside.end; ++s) {
          add_where_taken(from + at, taps + at, static_cast<Tap>(r * g.columns.kernel + s),
                          sums + g.columns.place(q, s) * g.channels, g.channels);
        }
      }
    }
  };
  parallel_for(g.batch * g.rows.input, row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      accumulate_row(to + i * row, row, [&](P* sums) { gather(i / g.rows.input, i % g.rows.input, sums); });
    }
  });
  return dx;
}

// f(u8) where a tap's number fits, else f(i64).
template <class F>
void with_tap_type(const PoolGeometry& g, F&& f) {
  if (g.rows.kernel * g.columns.kernel <= 255) {
    f(std::uint8_t{});
  } else {
    f(std::int64_t{});
  }
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const MaxPool2dOptions& options) {
  const PoolGeometry g = check_pool("max_pool2d", x,
                                    {.kernel_size = options.kernel_size,
                                     .stride = options.stride.value_or(options.kernel_size),
                                     .padding = options.padding,
                                     .dilation = options.dilation,
                                     .ceil_mode = options.ceil_mode});
  Tensor y = Tensor::empty(g.output_shape(), x.dtype());
  Tensor taken;
  dispatch_floating("max_pool2d", x.dtype(), [&]<class T>(T) {
    with_tap_type(g, [&]<class Tap>(Tap) {
      if (recording({x})) taken = Tensor::empty(y.shape(), DTypeOf<Tap>::value);
      forward<T, Tap>(x, g, y, taken.defined() ? taken.mutable_data<Tap>() : nullptr);
    });
  });
  record("max_pool2d", y, {x}, [g, taken](Backward& bw) {
    dispatch_floating("max_pool2d", bw.dy().dtype(), [&]<class T>(T) {
      with_tap_type(g, [&]<class Tap>(Tap) { bw.add(0, backward<T, Tap>(bw.dy(), g, taken)); });
    });
  });
  return y;
}

MaxPool2d::MaxPool2d(Module& parent, std::string name, const MaxPool2dOptions& options)
    : Layer(parent, std::move(name)), options_(options) {}

LayerGeometry MaxPool2d::geometry(const Shape& /*input*/, const Shape& /*output*/) const {
  return {.kernel = (options_.kernel_size.height - 1) * options_.dilation.height + 1,
          .stride = options_.stride.value_or(options_.kernel_size).height};
}

}  // namespace striate

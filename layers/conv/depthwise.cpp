// Depthwise convolution: every channel by itself (groups == channels), with one or more filters for each. Nothing but
// results is rounded to the dtype of the activations.

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "core/integer.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/simd.h"
#include "layers/conv/apply_epilogue.h"
#include "layers/conv/machine.h"
#include "layers/conv/taps.h"
#include "layers/conv/weight_gradient.h"

namespace striate {
namespace {

/// Calls f(tag, c, left) for blocks of channels c, c+1, ...: the type of tag is how many registers, where possible
/// four: enough sums to hide the latency of an addition. In the last block, of one register, only `left` lanes exist.
template <class F>
void for_channels(std::int64_t channels, F&& f) {
  std::int64_t c = 0;
  for (; c + 4 * lanes <= channels; c += 4 * lanes) f(std::integral_constant<int, 4>{}, c, lanes);
  for (; c + 2 * lanes <= channels; c += 2 * lanes) f(std::integral_constant<int, 2>{}, c, lanes);
  for (; c < channels; c += lanes) f(std::integral_constant<int, 1>{}, c, std::min<std::int64_t>(lanes, channels - c));
}

/// The taps of an axis that read inside the source for position i, as places in axis.taps.
TapRange taps_inside(const TapAxis& axis, std::int64_t i) {
  TapRange range{0, std::ssize(axis.taps)};
  while (range.begin < range.end && i * axis.step + axis.tap(range.begin).offset < 0) ++range.begin;
  while (range.begin < range.end && i * axis.step + axis.tap(range.end - 1).offset >= axis.size) --range.end;
  return range;
}

/// The row of positions i of the map that is computed: to (width, channels) = epilogue of the sum over taps
/// of image n times filter. w (taps, channels).
template <class T, class To>
void sum_taps(const TapAxis& rows, const TapAxis& columns, std::int64_t kernel_width, const Images<const T>& from,
              const float* w, const ConvEpilogue<float>& epilogue, std::int64_t n, std::int64_t i, To* to) {
  const std::int64_t channels = from.channels;
  const TapRange in_rows = taps_inside(rows, i);
  for (std::int64_t j = 0; j < columns.count; ++j) {
    const TapRange in_columns = taps_inside(columns, j);
    To* out = to + (columns.first + j * columns.stride) * channels;
    for_channels(channels,
                 [&]<int vectors>(std::integral_constant<int, vectors> /*tag*/, std::int64_t c, std::int64_t left) {
                   Vec sum[vectors] = {};
                   for (std::int64_t r = in_rows.begin; r < in_rows.end; ++r) {
                     const Tap& row = rows.tap(r);
                     for (std::int64_t s = in_columns.begin; s < in_columns.end; ++s) {
                       const Tap& column = columns.tap(s);
                       const T* x = from.at(n, i * rows.step + row.offset, j * columns.step + column.offset) + c;
                       const float* filter = w + (row.index * kernel_width + column.index) * channels + c;
                       for (int v = 0; v < vectors; ++v)
                         sum[v] += load_lanes(x + v * lanes, left) * load_lanes(filter + v * lanes, left);
                     }
                   }
                   for (int v = 0; v < vectors; ++v)
                     store_lanes(out + c + v * lanes, epilogue_of<Vec>(epilogue, c + v * lanes, left)(sum[v]), left);
                 });
  }
}

/// sums (taps, channels) += x times dy over row p of image n.
template <class T>
void add_row_gradient(const TapAxis& rows, const TapAxis& columns, const Images<const T>& x, const Images<const T>& dy,
                      std::int64_t n, std::int64_t p, float* sums) {
  const std::int64_t channels = x.channels;
  const TapRange in_rows = taps_inside(rows, p);
  for (std::int64_t r = in_rows.begin; r < in_rows.end; ++r) {
    const std::int64_t h = p * rows.step + rows.tap(r).offset;
    for (const Tap& column : columns.taps) {
      // The q with 0 <= q * step + offset < size.
      const std::int64_t begin = column.offset < 0 ? ceil_div(-column.offset, columns.step) : 0;
      const std::int64_t end =
          std::min(columns.count, ceil_div(std::max<std::int64_t>(columns.size - column.offset, 0), columns.step));
      float* to = sums + (rows.tap(r).index * std::ssize(columns.taps) + column.index) * channels;
      for_channels(channels,
                   [&]<int vectors>(std::integral_constant<int, vectors> /*tag*/, std::int64_t c, std::int64_t left) {
                     Vec sum[vectors];
                     for (int v = 0; v < vectors; ++v) sum[v] = load_lanes(to + c + v * lanes, left);
                     for (std::int64_t q = begin; q < end; ++q) {
                       const T* from = x.at(n, h, q * columns.step + column.offset) + c;
                       const T* gradient = dy.at(n, p, q) + c;
                       for (int v = 0; v < vectors; ++v)
                         sum[v] += load_lanes(from + v * lanes, left) * load_lanes(gradient + v * lanes, left);
                     }
                     for (int v = 0; v < vectors; ++v) store_lanes(to + c + v * lanes, sum[v], left);
                   });
    }
  }
}

/// With several filters a channel: x with every channel repeated for each of its filters, so that what follows has one
/// filter a channel.
template <class T>
Scratch<T> repeated(const ConvGeometry& g, const T* x) {
  const std::int64_t filters = g.group_outputs();
  Scratch<T> result(filters == 1 ? 0 : g.n * g.h * g.w * g.k);
  if (filters == 1) return result;
  parallel_for(g.n * g.h, 1, [&, to = result.data()](std::int64_t row, std::int64_t) {
    for (std::int64_t i = row * g.w * g.c; i < (row + 1) * g.w * g.c; ++i) std::fill_n(to + i * filters, filters, x[i]);
  });
  return result;
}

/// Rows that one task takes: about a quarter of a million multiply-adds.
std::int64_t task_rows(const ConvGeometry& g, std::int64_t row_places) {
  return std::max<std::int64_t>(1, (1 << 18) / std::max<std::int64_t>(1, row_places * g.k * g.r * g.s));
}

template <class T>
void forward(const ConvGeometry& g, ConvInput<const T> x, ConvFilter<const float> w,
             const ConvEpilogue<float>& epilogue, ConvOutput<T> y) {
  Scratch<T> wide = repeated(g, x.data);
  const Images<const T> from{wide.data() == nullptr ? x.data : wide.data(), g.h, g.w, g.k};
  const TapAxis rows = forward_taps(g.rows());
  const TapAxis columns = forward_taps(g.columns());
  parallel_for(g.n * g.p, task_rows(g, g.q), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row)
      sum_taps(rows, columns, g.s, from, w.data, epilogue, row / g.p, row % g.p, y.data + row * g.q * g.k);
  });
}

template <class T>
void backward_data(const ConvGeometry& g, ConvOutput<const T> dy, ConvFilter<const float> w,
                   const ConvEpilogue<float>& epilogue, ConvInput<T> dx) {
  const std::int64_t filters = g.group_outputs();
  const Images<const T> from{dy.data, g.p, g.q, g.k};
  const auto all_rows = backward_taps(g.rows());
  const auto all_columns = backward_taps(g.columns());
  parallel_for(g.n * g.h, task_rows(g, g.w), [&](std::int64_t begin, std::int64_t end) {
    // With several filters a channel, a sum for each of them first.
    Scratch<float> line(filters == 1 ? 0 : g.w * g.k);
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t i = row % g.h / g.stride.height;
      const TapAxis& rows = all_rows[static_cast<std::size_t>(row % g.h % g.stride.height)];
      T* to = dx.data + row * g.w * g.c;
      const auto sum_to = [&](auto* sums, const ConvEpilogue<float>& end) {
        for (const TapAxis& columns : all_columns) sum_taps(rows, columns, g.s, from, w.data, end, row / g.h, i, sums);
      };
      filters == 1 ? sum_to(to, epilogue) : sum_to(line.data(), {});
      for (std::int64_t at = 0; filters > 1 && at < g.w * g.c; ++at) {
        const float* sums = line.data() + at * filters;
        to[at] = static_cast<T>(epilogue_of<float>(epilogue, at % g.c)(std::accumulate(sums, sums + filters, 0.F)));
      }
    }
  });
}

/// Partial sums of up to 32 groups of output rows are added in order.
template <class T>
void backward_weights(const ConvGeometry& g, ConvInput<const T> x, ConvOutput<const T> dy, ConvFilter<float> dw) {
  constexpr std::int64_t most_groups = 32;
  Scratch<T> wide = repeated(g, x.data);
  const Images<const T> from{wide.data() == nullptr ? x.data : wide.data(), g.h, g.w, g.k};
  const Images<const T> gradient{dy.data, g.p, g.q, g.k};
  const TapAxis rows = forward_taps(g.rows());
  const TapAxis columns = forward_taps(g.columns());
  const std::int64_t size = g.r * g.s * g.k;
  const std::int64_t grain = ceil_div(g.n * g.p, most_groups);
  const std::int64_t groups = grain == 0 ? 0 : ceil_div(g.n * g.p, grain);
  if (groups == 0) std::fill_n(dw.data, size, 0.F);
  Scratch<float> parts((groups - 1) * size);  // but the first
  parallel_for(g.n * g.p, grain, [&](std::int64_t begin, std::int64_t end) {
    float* sums = begin == 0 ? dw.data : parts.data() + (begin / grain - 1) * size;
    std::fill_n(sums, size, 0.F);
    for (std::int64_t row = begin; row < end; ++row)
      add_row_gradient(rows, columns, from, gradient, row / g.p, row % g.p, sums);
  });
  if (groups > 1) add_parts(parts.data(), groups - 1, size, dw.data);
}

bool fits(const ConvGeometry& g) { return g.group_inputs() == 1; }

// Where it fits, only a product of merged groups competes, most of which is zeros. One channel in one group is a dense
// convolution, for which panels are better but on the way back to the channel, where they would be one column wide.
double cost(const ConvGeometry& g, DType /*dtype*/, ConvDirection direction, const ConvMachine& /*machine*/) {
  if (g.groups == 1 && direction != ConvDirection::backward_data) return only_on_request;
  return static_cast<double>(g.positions()) * ratio(g.r * g.s, g.c);
}

template <class T>
constexpr ConvKernels<T> kernels = {forward<T>, backward_data<T>, backward_weights<T>};

}  // namespace

const ConvAlgorithm conv_by::depthwise = {"depthwise", fits, cost, kernels<float>, kernels<bfloat16>};

}  // namespace striate

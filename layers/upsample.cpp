#include "layers/upsample.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/check.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/by_register.h"
#include "layers/pooling.h"

namespace striate {
namespace {

// A place that an output reads, or an input's gradient does, with its weight, which is not 0.
struct Tap {
  std::int64_t place;
  double weight;
};
using Taps = std::vector<std::vector<Tap>>;  // of every place along an axis

Taps taps_of(std::int64_t input, std::int64_t output, std::optional<double> factor, const UpsampleOptions& options) {
  const bool nearest = options.mode == UpsampleMode::nearest;
  // As in PyTorch, a size that stays, or that nearest doubles, goes by the size, whatever factor gave it.
  const bool by_size = !factor || output == input || (nearest && output == 2 * input);
  const double step = by_size ? static_cast<double>(input) / static_cast<double>(output) : 1 / *factor;
  const double corner_step = output > 1 ? static_cast<double>(input - 1) / static_cast<double>(output - 1) : 0;
  const auto last = static_cast<double>(input - 1);
  Taps taps;
  for (std::int64_t i = 0; i < output; ++i) {
    const auto at = static_cast<double>(i);
    if (nearest) {
      // In f32, as PyTorch does it: rounded otherwise, some places fall to the neighbour.
      const float place = static_cast<float>(at) * static_cast<float>(step);
      taps.push_back({{static_cast<std::int64_t>(std::min<double>(place, last)), 1}});
      continue;
    }
    const double centre = options.align_corners ? at * corner_step : (at + 0.5) * step - 0.5;
    const double place = std::clamp(centre, 0.0, last);
    const auto low = static_cast<std::int64_t>(place);
    const double share = place - static_cast<double>(low);
    taps.push_back({{low, 1 - share}});
    if (share > 0) taps.back().push_back({low + 1, share});
  }
  return taps;
}

// Which outputs read a place, with the same weights.
Taps transposed(const Taps& taps, std::int64_t places) {
  Taps result(static_cast<std::size_t>(places));
  for (std::size_t i = 0; i < taps.size(); ++i) {
    for (const Tap& tap : taps[i]) {
      result[static_cast<std::size_t>(tap.place)].push_back({static_cast<std::int64_t>(i), tap.weight});
    }
  }
  return result;
}

// Pixel (p,q) of `to` is the sum over rows[p] and columns[q] of pixels of `from`: forward, and backward with the taps
// transposed. Every pixel is written once, by its own sum in this order.
template <class T>
void gather(const Tensor& from, const Taps& rows, const Taps& columns, Tensor& to) {
  using P = compute_t<T>;
  const std::int64_t width = from.size(2);
  const std::int64_t channels = from.size(3);
  const std::int64_t row = to.size(2) * channels;
  const T* x = from.data<T>();
  T* y = to.mutable_data<T>();
  parallel_for(to.size(0) * to.size(1), row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* image = x + i / to.size(1) * from.size(1) * width * channels;
      T* at = y + i * row;
      for (const std::vector<Tap>& across : columns) {
        by_register_group<P, 4>(channels, [&](auto zero, auto group, std::int64_t c) {
          using V = decltype(zero);
          V sums[group] = {};
          for (const Tap& down : rows[static_cast<std::size_t>(i % to.size(1))]) {
            for (const Tap& tap : across) {
              const T* pixel = image + (down.place * width + tap.place) * channels + c;
              const auto weight = static_cast<P>(down.weight * tap.weight);
              for (int k = 0; k < group; ++k) sums[k] += read<V>(pixel + k * values_in<V>) * weight;
            }
          }
          for (int k = 0; k < group; ++k) write(at + c + k * values_in<V>, sums[k]);
        });
        at += channels;
      }
    }
  });
}

void check(const UpsampleOptions& options) {
  constexpr const char* op = "interpolate";
  expect(options.size.has_value() != options.scale_factor.has_value(), op, "either size or scale_factor",
         options.size ? "both" : "neither");
  if (options.size) expect_at_least(op, "size", *options.size, 1);
  if (const auto& factor = options.scale_factor) {
    const double least = std::min(factor->height, factor->width);
    expect(least > 0 && std::isfinite(factor->height + factor->width), op, "scale_factor above 0",
           std::to_string(factor->height) + "x" + std::to_string(factor->width));
  }
  expect(!options.align_corners || options.mode == UpsampleMode::bilinear, op, "align_corners with bilinear alone",
         "nearest");
}

}  // namespace

Tensor interpolate(const Tensor& x, const UpsampleOptions& options) {
  constexpr const char* op = "interpolate";
  check(options);
  if (x.rank() != 4 || x.size(1) < 1 || x.size(2) < 1) {
    shape_error(op, "input must be (N,H,W,C) with H and W of at least 1: got " + to_string(x.shape()));
  }
  const auto& factor = options.scale_factor;
  const auto scaled = [](std::int64_t size, double by) {
    return static_cast<std::int64_t>(std::min(std::floor(static_cast<double>(size) * by), 0x1p31));
  };
  const Extent2d size =
      options.size ? *options.size : Extent2d(scaled(x.size(1), factor->height), scaled(x.size(2), factor->width));
  if (size.height < 1 || size.width < 1) {
    shape_error(op, "nothing is left at scale_factor " + std::to_string(factor->height) + "x" +
                        std::to_string(factor->width) + " of input " + to_string(x.shape()));
  }
  expect_at_least(op, "an output size", size, 1);
  const Shape shape = {x.size(0), size.height, size.width, x.size(3)};
  if (x.numel() == 0) return pool_nothing(op, x, shape);
  Tensor y = Tensor::empty(shape, x.dtype());  // before the taps: too many are refused here
  const Taps rows = taps_of(x.size(1), size.height, factor ? std::optional(factor->height) : std::nullopt, options);
  const Taps columns = taps_of(x.size(2), size.width, factor ? std::optional(factor->width) : std::nullopt, options);
  dispatch_floating(op, x.dtype(), [&]<class T>(T) { gather<T>(x, rows, columns, y); });
  record(op, y, {x}, [input = x.shape(), rows, columns](Backward& bw) {
    Tensor dx = Tensor::empty(input, bw.dy().dtype());
    const Taps from_rows = transposed(rows, input[1]);
    const Taps from_columns = transposed(columns, input[2]);
    dispatch_floating(op, dx.dtype(), [&]<class T>(T) { gather<T>(bw.dy(), from_rows, from_columns, dx); });
    bw.add(0, dx);
  });
  return y;
}

Upsample::Upsample(Module& parent, std::string name, const UpsampleOptions& options)
    : FunctionLayer(
          parent, std::move(name), "Upsample", [=](const Tensor& x) { return interpolate(x, options); },
          [mode = options.mode](const Shape& input, const Shape& output) -> LayerGeometry {
            const auto larger = [](const Shape& a, const Shape& b) {
              return std::max<std::int64_t>(1, std::max(a[1] / b[1], a[2] / b[2]));
            };
            return {.kernel = mode == UpsampleMode::nearest ? 1 : 2,
                    .stride = larger(input, output),
                    .upscale = larger(output, input)};
          }) {
  check(options);
}

}  // namespace striate

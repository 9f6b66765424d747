#include "layers/upsample.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/check.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/trace.h"
#include "layers/by_register.h"
#include "layers/pooling.h"

namespace striate {
namespace {

// A place that an output reads, or an input's gradient does, with its weight, which is not 0.
struct Tap {
  std::int64_t place;
  double weight;
  bool operator==(const Tap&) const = default;
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

// The taps of an axis as a matrix (inputs, outputs).
Tensor matrix_of(const Taps& taps, std::int64_t inputs) {
  const std::int64_t outputs = std::ssize(taps);
  Tensor result = Tensor::zeros({inputs, outputs});
  for (std::int64_t i = 0; i < outputs; ++i) {
    for (const Tap& tap : taps[static_cast<std::size_t>(i)]) {
      result.mutable_data<float>()[tap.place * outputs + i] = static_cast<float>(tap.weight);
    }
  }
  return result;
}

// Whether an axis grows by a whole factor and nothing else, as all readers of ONNX understand it alike.
bool grows_evenly(const Taps& taps, std::int64_t inputs, const UpsampleOptions& options) {
  const std::int64_t factor = std::ssize(taps) / inputs;
  if (options.align_corners || taps != taps_of(inputs, inputs * factor, std::nullopt, options)) return false;
  for (std::size_t i = 0; options.mode == UpsampleMode::nearest && i < taps.size(); ++i) {
    if (taps[i][0].place != static_cast<std::int64_t>(i) / factor) return false;
  }
  return true;
}

// In ONNX: by the taps where there is no Resize that says the same.
Trace::Value interpolate_in(Trace& t, const Tensor& x, const Taps& rows, const Taps& columns,
                            const UpsampleOptions& options) {
  const std::int64_t down = std::ssize(rows) / x.size(1);
  const std::int64_t across = std::ssize(columns) / x.size(2);
  if (!grows_evenly(rows, x.size(1), options) || !grows_evenly(columns, x.size(2), options)) {
    return resample_in(t, x, matrix_of(rows, x.size(1)), matrix_of(columns, x.size(2)));
  }
  const bool nearest = options.mode == UpsampleMode::nearest;
  const Tensor scales =
      Tensor::from({4}, std::vector{1.0F, 1.0F, static_cast<float>(down), static_cast<float>(across)});
  const auto region = t.value(Tensor::zeros({0}));  // of a mode that crops; has to be named, to come to the scales
  return t.add("Resize", {t.value(x), region, t.value(scales)},
               {{"mode", nearest ? "nearest" : "linear"},
                {"coordinate_transformation_mode", nearest ? "asymmetric" : "half_pixel"},
                {"nearest_mode", "floor"}});
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
  traced(y, [&](Trace& t) { return interpolate_in(t, x, rows, columns, options); });
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

#include "core/reduce.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/autograd.h"
#include "core/broadcast.h"
#include "core/elementwise.h"
#include "core/integer.h"
#include "core/parallel.h"
#include "core/trace.h"

namespace striate {
namespace {

// How many elements a chunk adds up.
constexpr std::int64_t kChunkElements = 1 << 15;
// Running sums of neighbouring columns should stay in the first cache.
constexpr std::int64_t kColumnsAtOnce = 1 << 10;

// Sixteen running sums: enough for the compiler to fill vector registers, and less rounding than one.
template <class T>
double sum_row(const T* x, std::int64_t count) {
  std::array<double, 16> lanes{};
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (std::size_t lane = 0; lane < 16; ++lane) {
      lanes[lane] += static_cast<double>(x[i + static_cast<std::int64_t>(lane)]);
    }
  }
  for (std::size_t lane = 0; i < count; ++i, ++lane) lanes[lane] += static_cast<double>(x[i]);
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

// x seen as (outer,rows,columns) -> (outer,chunks,columns): the rows of each chunk added up, in double.
template <class T>
Tensor sum_chunks(const T* x, std::int64_t outer, std::int64_t rows, std::int64_t columns) {
  const std::int64_t width = std::min(columns, kColumnsAtOnce);
  const std::int64_t blocks = ceil_div(columns, width);
  const std::int64_t length = std::min(rows, kChunkElements / width);
  const std::int64_t chunks = ceil_div(rows, length);
  Tensor result = Tensor::zeros({outer, chunks, columns}, DType::f64);
  auto* sums = result.mutable_data<double>();
  const std::int64_t grain = std::max<std::int64_t>(1, kChunkElements / (length * width));
  parallel_for(outer * chunks * blocks, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t column = task % blocks * width;
      const std::int64_t chunk = task / blocks;
      const std::int64_t row = chunk % chunks * length;
      const std::int64_t here = std::min(length, rows - row);
      const T* from = x + (chunk / chunks * rows + row) * columns + column;
      double* to = sums + chunk * columns + column;
      if (columns == 1) {
        *to = sum_row(from, here);
        continue;
      }
      const std::int64_t count = std::min(width, columns - column);
      for (std::int64_t r = 0; r < here; ++r, from += columns) {
        for (std::int64_t c = 0; c < count; ++c) to[c] += static_cast<double>(from[c]);
      }
    }
  });
  return result;
}

// x seen as (outer,rows,columns) -> (outer,1,columns) in double.
Tensor sum_rows(const Tensor& x, std::int64_t outer, std::int64_t rows, std::int64_t columns) {
  Tensor sums =
      dispatch_floating("sum", x.dtype(), [&]<class T>(T) { return sum_chunks(x.data<T>(), outer, rows, columns); });
  return sums.size(1) == 1 ? sums : sum_rows(sums, outer, sums.size(1), columns);
}

// Adds x up over the axes i with summed[i], divides by `divisor` and gives the result `shape`, whose numel is that of
// the other axes. In double, in an order that depends on the shape of x alone. Not recorded in the graph.
Tensor sum_over(const Tensor& x, const std::vector<bool>& summed, Shape shape, double divisor = 1) {
  if (x.numel() == 0) return Tensor::full(std::move(shape), 0 / divisor, x.dtype());
  // Neighbouring summed axes are added up at once, the innermost first; an axis of size 1 joins either side.
  Tensor sums = x;
  std::int64_t outer = x.numel();
  std::int64_t columns = 1;
  for (std::size_t end = summed.size(); end > 0;) {
    const bool kind = summed[end - 1];
    std::int64_t size = 1;
    for (; end > 0 && (summed[end - 1] == kind || x.shape()[end - 1] == 1); --end) size *= x.shape()[end - 1];
    outer /= size;
    if (kind) {
      sums = sum_rows(sums, outer, size, columns);
    } else {
      columns *= size;
    }
  }
  Tensor y = Tensor::empty(std::move(shape), x.dtype());
  dispatch_floating("sum", x.dtype(), [&]<class T>(T) {
    T* to = y.mutable_data<T>();
    const Tensor doubles = sums.dtype() == DType::f64 ? sums : sum_rows(sums, outer, 1, columns);
    const auto* from = doubles.data<double>();
    parallel_for(y.numel(), kChunkElements, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(from[i] / divisor);
    });
  });
  return y;
}

// In ONNX. The mean over all places is what every reader knows as a pool.
Trace::Value reduce_in(Trace& t, const Tensor& x, const std::vector<bool>& summed, bool keepdim, bool average) {
  std::vector<bool> places(summed.size(), true);
  if (!places.empty()) places.front() = places.back() = false;
  if (average && x.rank() > 2 && summed == places) {
    const auto pooled = t.add("GlobalAveragePool", {t.value(x)});
    return keepdim ? pooled : t.add("Flatten", {pooled}, {{"axis", 1}});
  }
  std::vector<int> memory;
  std::vector<std::int64_t> axes;
  for (int i = 0; i < x.rank(); ++i) {
    memory.push_back(i);
    if (summed[static_cast<std::size_t>(i)]) axes.push_back(i);
  }
  const auto in = t.permuted(x, memory);
  const int rank = keepdim ? x.rank() : x.rank() - static_cast<int>(axes.size());
  const std::int64_t keep = keepdim ? 1 : 0;
  return t.channels_first(average ? t.add("ReduceMean", {in}, {{"axes", axes}, {"keepdims", keep}})
                                  : t.add("ReduceSum", {in, t.integers(axes)}, {{"keepdims", keep}}),
                          rank);
}

Tensor reduce(const char* op, const Tensor& x, const std::vector<bool>& summed, bool keepdim, bool average) {
  Shape kept_shape = x.shape();
  Shape short_shape;
  double divisor = 1;
  for (std::size_t i = 0; i < summed.size(); ++i) {
    if (summed[i]) {
      if (average) divisor *= static_cast<double>(x.shape()[i]);
      kept_shape[i] = 1;
    } else {
      short_shape.push_back(x.shape()[i]);
    }
  }
  Tensor y = sum_over(x, summed, keepdim ? kept_shape : short_shape, divisor);
  record(op, y, {x}, [op, x_shape = x.shape(), kept_shape, divisor](Backward& bw) {
    // Every element went into its sum with weight 1 / divisor.
    const Tensor share = divisor == 1 ? bw.dy() : affine(bw.dy(), 1 / divisor);
    bw.add(0, expand(op, share.viewed_as(kept_shape), x_shape));
  });
  traced(y, [&](Trace& t) { return reduce_in(t, x, summed, keepdim, average); });
  return y;
}

std::vector<bool> all_axes(const Tensor& x) { return std::vector<bool>(x.shape().size(), true); }

std::vector<bool> places_of(const char* op, const Tensor& x, const std::vector<Axis>& axes) {
  if (axes.empty()) shape_error(op, "at least one axis must be named: " + to_string(x.shape()));
  std::vector<bool> summed(x.shape().size());
  for (const Axis axis : axes) summed[static_cast<std::size_t>(index_of(axis, x, op))] = true;
  return summed;
}

}  // namespace

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const std::size_t missing = x.shape().size() - shape.size();
  std::vector<bool> summed(x.shape().size());
  for (std::size_t i = 0; i < summed.size(); ++i) {
    summed[i] = i < missing || shape[i - missing] != x.shape()[i];
  }
  return sum_over(x, summed, shape);
}

Tensor sum(const Tensor& x) { return reduce("sum", x, all_axes(x), false, false); }
Tensor mean(const Tensor& x) { return reduce("mean", x, all_axes(x), false, true); }
Tensor sum(const Tensor& x, const std::vector<Axis>& axes, bool keepdim) {
  return reduce("sum", x, places_of("sum", x, axes), keepdim, false);
}
Tensor mean(const Tensor& x, const std::vector<Axis>& axes, bool keepdim) {
  return reduce("mean", x, places_of("mean", x, axes), keepdim, true);
}

}  // namespace striate

#include "core/sum_kernel.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/parallel.h"

namespace striate {
namespace {

struct StridedAxis {
  std::int64_t size;
  std::int64_t stride;
};

std::int64_t count_of(const std::vector<StridedAxis>& axes) {
  std::int64_t count = 1;
  for (const StridedAxis& axis : axes) count *= axis.size;
  return count;
}

std::int64_t offset_of(const std::vector<StridedAxis>& axes, std::int64_t place) {
  std::int64_t offset = 0;
  for (std::size_t i = axes.size(); i-- > 0;) {
    offset += place % axes[i].size * axes[i].stride;
    place /= axes[i].size;
  }
  return offset;
}

// Rows of `columns` contiguous elements, which are the innermost axis (neighbours of one kind merged). A row
// lies at an item (a place in the kept outer axes) and a place in the summed outer axes.
struct Layout {
  std::vector<StridedAxis> kept;
  std::vector<StridedAxis> summed;
  std::int64_t columns = 1;
  bool sum_columns = false;
};

Layout layout_of(const Shape& shape, const std::vector<bool>& summed) {
  Layout layout;
  std::int64_t stride = 1;
  bool innermost = true;
  bool last_kind = false;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;
    const bool kind = summed[i];
    if (stride == 1) {
      layout.columns = shape[i];
      layout.sum_columns = kind;
    } else if (innermost && kind == layout.sum_columns) {
      layout.columns *= shape[i];
    } else {
      innermost = false;
      auto& axes = kind ? layout.summed : layout.kept;
      if (!axes.empty() && kind == last_kind) {
        axes.front().size *= shape[i];
      } else {
        axes.insert(axes.begin(), {shape[i], stride});
      }
      last_kind = kind;
    }
    stride *= shape[i];
  }
  return layout;
}

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

template <class T>
void add_row(const T* x, std::int64_t count, double* sums) {
  for (std::int64_t i = 0; i < count; ++i) sums[i] += static_cast<double>(x[i]);
}

// How many elements a chunk adds up.
constexpr std::int64_t chunk_elements = 1 << 15;
// Running sums of kept columns should stay in the first cache.
constexpr std::int64_t kept_columns_at_once = 1 << 10;

// The work is a grid of items x chunks of rows x blocks of columns; each chunk leaves its partial sums in a
// place of its own, and the second pass adds those in order.
class ChunkedSum {
 public:
  explicit ChunkedSum(Layout layout)
      : layout_(std::move(layout)), items_(count_of(layout_.kept)), rows_(count_of(layout_.summed)) {
    block_ = std::min(layout_.columns, layout_.sum_columns ? chunk_elements : kept_columns_at_once);
    blocks_ = (layout_.columns + block_ - 1) / block_;
    rows_at_once_ = std::min(rows_, std::max<std::int64_t>(1, chunk_elements / block_));
    row_chunks_ = (rows_ + rows_at_once_ - 1) / rows_at_once_;
    width_ = layout_.sum_columns ? 1 : layout_.columns;
    parts_ = layout_.sum_columns ? row_chunks_ * blocks_ : row_chunks_;
  }

  template <class T>
  void run(const T* x, T* y, double divisor) const {
    Tensor partial = Tensor::zeros({items_, parts_, width_}, DType::f64);
    auto* sums = partial.mutable_data<double>();
    const std::int64_t tasks = items_ * row_chunks_ * blocks_;
    const std::int64_t grain = std::max<std::int64_t>(1, chunk_elements / (rows_at_once_ * block_));
    parallel_for(tasks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) sum_chunk(x, task, sums);
    });
    parallel_for(items_ * width_, std::max<std::int64_t>(1, chunk_elements / parts_),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const double* first = sums + i / width_ * parts_ * width_ + i % width_;
                     double total = 0;
                     for (std::int64_t part = 0; part < parts_; ++part) total += first[part * width_];
                     y[i] = static_cast<T>(total / divisor);
                   }
                 });
  }

 private:
  template <class T>
  void sum_chunk(const T* x, std::int64_t task, double* sums) const {
    const std::int64_t column = task % blocks_ * block_;
    const std::int64_t count = std::min(block_, layout_.columns - column);
    const std::int64_t chunk = task / blocks_;  // item * row_chunks_ + chunk of its rows
    const T* from = x + offset_of(layout_.kept, chunk / row_chunks_) + column;
    double* to = sums + (layout_.sum_columns ? task : chunk * width_ + column);
    const std::int64_t first_row = chunk % row_chunks_ * rows_at_once_;
    const std::int64_t last_row = std::min(rows_, first_row + rows_at_once_);
    for (std::int64_t row = first_row; row < last_row; ++row) {
      const T* elements = from + offset_of(layout_.summed, row);
      if (layout_.sum_columns) {
        *to += sum_row(elements, count);
      } else {
        add_row(elements, count, to);
      }
    }
  }

  Layout layout_;
  std::int64_t items_;         // kept places outside the rows
  std::int64_t rows_;          // rows to add up for each item
  std::int64_t block_;         // columns of a task
  std::int64_t blocks_;        // tasks across the columns
  std::int64_t rows_at_once_;  // rows of a task
  std::int64_t row_chunks_;    // tasks along the rows
  std::int64_t width_;         // outputs of an item
  std::int64_t parts_;         // partial sums of an output
};

}  // namespace

Tensor sum_over(const Tensor& x, const std::vector<bool>& summed, Shape shape, double divisor) {
  if (x.numel() == 0) return Tensor::full(std::move(shape), 0 / divisor, x.dtype());
  Tensor y = Tensor::empty(std::move(shape), x.dtype());
  dispatch_floating("sum", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    ChunkedSum(layout_of(x.shape(), summed)).run(x.data<T>(), y.mutable_data<T>(), divisor);
  });
  return y;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const std::size_t missing = x.shape().size() - shape.size();
  std::vector<bool> summed(x.shape().size());
  for (std::size_t i = 0; i < summed.size(); ++i)
    summed[i] = i < missing || shape[i - missing] != x.shape()[i];
  return sum_over(x, summed, shape);
}

}  // namespace striate

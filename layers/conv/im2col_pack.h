#pragma once
// im2col's filters, packed in panels: the right operand of a product with gathered rows.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/panel_product.h"
#include "core/simd.h"
#include "layers/conv/im2col_gather.h"

namespace striate {

/// Where the filter between a row (what is gathered) and a column (what is computed) of a group lies.
struct FilterLayout {
  std::int64_t kernel_width, tap, group, row;  // the last three: steps between neighbours

  [[nodiscard]] std::int64_t at(const GatheredValue& value, std::int64_t in_group, std::int64_t of) const {
    return (value.row_tap * kernel_width + value.column_tap) * tap + of * group + in_group * row;
  }
};

/// How many groups one product takes: several where they have fewer columns than a panel, with zeros between
/// them.
struct Groups {
  std::int64_t rows, columns;
  std::int64_t merged = 1;
  std::int64_t products;

  Groups(std::int64_t count, std::int64_t of_rows, std::int64_t of_columns) : rows(of_rows), columns(of_columns) {
    for (std::int64_t m = 1; m <= count && m * columns <= panel_width; ++m) {
      if (count % m == 0) merged = m;
    }
    products = count / merged;
  }
  [[nodiscard]] std::int64_t product_rows() const { return merged * rows; }
  [[nodiscard]] std::int64_t product_columns() const { return merged * columns; }

  /// Calls f(offset, column, count) with the run of columns in [first, last) of a product that a gathered value is
  /// multiplied for, and the offset of their filters.
  template <class F>
  void columns_of(const FilterLayout& layout, std::int64_t product, const GatheredValue& value, std::int64_t first,
                  std::int64_t last, F&& f) const {
    if (value.channel >= product_rows()) return;
    const std::int64_t group = value.channel / rows;
    const std::int64_t begin = std::max(first, group * columns);
    const std::int64_t end = std::min(last, (group + 1) * columns);
    if (begin >= end) return;
    f(layout.at(value, value.channel % rows, product * merged + group) + begin - group * columns, begin, end - begin);
  }
};

struct Filters : Groups {
  const float* w;
  FilterLayout layout;
};

/// Reads the filters of gathered values at, at + 1, ..., in columns first, ..., first + panel_width - 1 of a
/// product.
template <class T>
class FilterReader {
 public:
  FilterReader(const Filters& f, const Gather<T>& m, std::int64_t product, std::int64_t first, std::int64_t at)
      : filters_(f), gather_(m), product_(product), first_(first), at_(at) {}

  void next(float* to) {
    if (left_ == 0) find();
    if (count_ == panel_width) {
      std::memcpy(to, from_, panel_width * sizeof(float));
    } else {
      std::fill_n(to, panel_width, 0.F);
      std::copy_n(from_, count_, to + column_);
    }
    from_ += filters_.layout.row;
    ++at_;
    --left_;
  }

 private:
  // The run of values from at_ on whose filters follow each other: one tap's channels of one group.
  void find() {
    const GatheredValue value = gathered_value(gather_, at_);
    left_ = value.channel >= gather_.count ? 1 : filters_.rows - value.channel % filters_.rows;
    from_ = filters_.w;
    count_ = 0;
    filters_.columns_of(filters_.layout, product_, value, first_, first_ + panel_width,
                        [&](std::int64_t from, std::int64_t column, std::int64_t count) {
                          from_ += from;
                          column_ = column - first_;
                          count_ = count;
                        });
  }

  const Filters& filters_;
  const Gather<T>& gather_;
  std::int64_t product_, first_, at_;
  const float* from_ = nullptr;
  std::int64_t left_ = 0, column_ = 0, count_ = 0;
};

/// Words [begin, end) of gathered rows as right operands: out[(l - begin)*panel_width + column].
template <class T>
void pack_panel(const Filters& f, const Gather<T>& m, std::int64_t product, std::int64_t first, std::int64_t begin,
                std::int64_t end, WordOf<T>* out) {
  FilterReader<T> reader(f, m, product, first, begin * word_depth<WordOf<T>>);
  for (std::int64_t l = begin; l < end; ++l, out += panel_width) {
    if constexpr (std::is_same_v<T, float>) {
      reader.next(out);
    } else {
      alignas(64) float low[panel_width];
      alignas(64) float high[panel_width];
      reader.next(low);
      reader.next(high);
      for (int column = 0; column < panel_width; column += lanes)
        store(out + column, pair_bf16(load(low + column), load(high + column)));
    }
  }
}

}  // namespace striate

#pragma once
// im2col's filters, packed in panels: the right operand of a product with gathered rows.

#include <algorithm>
#include <cstdint>
#include <cstring>

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

/// Words [begin, end) of gathered rows as right operands: out[(l - begin)*panel_width + column], for columns first,
/// ..., first + panel_width - 1 of a product.
template <class T>
void pack_panel(const Filters& f, const Gather<T>& m, std::int64_t product, std::int64_t first, std::int64_t begin,
                std::int64_t end, WordOf<T>* out) {
  constexpr std::int64_t depth = word_depth<WordOf<T>>;
  alignas(64) float pair[2][panel_width];
  for (std::int64_t at = begin * depth; at < end * depth;) {
    // A run of values whose filters follow each other: one tap's channels of one group.
    const GatheredValue value = gathered_value(m, at);
    const std::int64_t run = value.channel >= m.count ? 1 : f.rows - value.channel % f.rows;
    const float* from = f.w;
    std::int64_t column = 0;
    std::int64_t count = 0;
    f.columns_of(f.layout, product, value, first, first + panel_width,
                 [&](std::int64_t offset, std::int64_t to_column, std::int64_t columns) {
                   from += offset;
                   column = to_column - first;
                   count = columns;
                 });
    for (const std::int64_t stop = std::min(at + run, end * depth); at < stop; ++at, from += f.layout.row) {
      float* to = pair[at % 2];
      if constexpr (depth == 1) to = out + (at - begin) * panel_width;
      if (count == panel_width) {
        std::memcpy(to, from, panel_width * sizeof(float));
      } else {
        std::fill_n(to, panel_width, 0.F);
        std::copy_n(from, count, to + column);
      }
      if constexpr (depth == 2) {
        if (at % 2 == 0) continue;
        for (int j = 0; j < panel_width; j += lanes)
          store(out + (at / 2 - begin) * panel_width + j, pair_bf16(load(pair[0] + j), load(pair[1] + j)));
      }
    }
  }
}

}  // namespace striate

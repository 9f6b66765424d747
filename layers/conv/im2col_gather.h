#pragma once
// im2col's rows: the values that a kernel's taps read, one row for each position of the map that is computed.

#include <algorithm>
#include <cstdint>

#include "core/integer.h"
#include "layers/conv/taps.h"

namespace striate {

/// A row is a sequence of units: the channels that one tap reads or, where few channels would make short
/// copies, those of a whole row of taps, which are neighbours in memory. A unit is filled up with zeros to a multiple
/// of `align` values.
template <class T>
struct Gather {
  const T* source;  // (images, rows.size, columns.size, channels)
  std::int64_t channels;
  std::int64_t count;  // of them, from the first one that is asked for
  const TapAxis* rows;
  const TapAxis* columns;
  std::int64_t align;

  [[nodiscard]] std::int64_t positions_per_image() const { return rows->count * columns->count; }
  [[nodiscard]] std::int64_t unit_taps() const {
    const auto& taps = columns->taps;
    const bool neighbours = !taps.empty() && taps.back().offset - taps.front().offset + 1 == std::ssize(taps);
    return neighbours && count == channels && count < 64 ? std::ssize(taps) : 1;
  }
  [[nodiscard]] std::int64_t unit_size() const { return round_up(unit_taps() * count, align); }
  [[nodiscard]] std::int64_t units() const {
    return std::ssize(rows->taps) * (std::ssize(columns->taps) / unit_taps());
  }
  [[nodiscard]] std::int64_t width() const { return units() * unit_size(); }

  /// Whether rows are the source itself: one tap, which reads every pixel in turn.
  [[nodiscard]] bool in_place() const {
    const auto whole = [](const TapAxis& axis) {
      return axis.taps.size() == 1 && axis.taps[0].offset == 0 && axis.step == 1 && axis.count == axis.size;
    };
    return whole(*rows) && whole(*columns) && count % align == 0 && channels % align == 0;
  }
};

/// The kernel's tap and the channel that value `at` of a row comes from; channel >= count for a zero that fills up.
struct GatheredValue {
  std::int64_t row_tap, column_tap, channel;
};

template <class T>
GatheredValue gathered_value(const Gather<T>& m, std::int64_t at) {
  const std::int64_t across = std::ssize(m.columns->taps) / m.unit_taps();
  const std::int64_t unit = at / m.unit_size();
  const std::int64_t value = at % m.unit_size();
  const std::int64_t row = unit / across;
  if (value >= m.unit_taps() * m.count) return {0, 0, m.count};
  const std::int64_t column = unit % across * m.unit_taps() + value / m.count;
  return {m.rows->tap(row).index, m.columns->tap(column).index, value % m.count};
}

/// to[(i - begin)*row + j - first] for positions i in [begin, end) and values j in [first, last), from
/// channel `channel` on.
template <class T>
void gather_rows(const Gather<T>& m, std::int64_t channel, std::int64_t begin, std::int64_t end, std::int64_t first,
                 std::int64_t last, T* to, std::int64_t row) {
  const TapAxis& rows = *m.rows;
  const TapAxis& columns = *m.columns;
  const std::int64_t unit_size = m.unit_size();
  const std::int64_t unit_taps = m.unit_taps();
  const std::int64_t across = std::ssize(columns.taps) / unit_taps;
  for (std::int64_t position = begin; position < end; ++position, to += row) {
    const std::int64_t i = position / columns.count % rows.count;
    const std::int64_t j = position % columns.count;
    const T* image = m.source + position / m.positions_per_image() * rows.size * columns.size * m.channels + channel;
    T* out = to;
    std::int64_t r = first / unit_size / across;
    std::int64_t s = first / unit_size % across;
    for (std::int64_t start = first - first % unit_size; start < last; start += unit_size) {
      const std::int64_t h = i * rows.step + rows.tap(r).offset;
      const std::int64_t w = j * columns.step + columns.tap(s * unit_taps).offset;
      const std::int64_t from = std::max<std::int64_t>(first - start, 0);
      const std::int64_t until = std::min(last - start, unit_size);
      // The unit's values that lie inside the map: [low, high).
      const bool inside = h >= 0 && h < rows.size;
      const std::int64_t low = std::clamp(inside ? -w * m.count : until, from, until);
      const std::int64_t high = std::clamp(std::min((columns.size - w) * m.count, unit_taps * m.count), low, until);
      out = std::fill_n(out, low - from, T{});
      if (low < high) out = std::copy_n(image + (h * columns.size + w) * m.channels + low, high - low, out);
      out = std::fill_n(out, until - high, T{});
      if (++s == across) {
        s = 0;
        ++r;
      }
    }
  }
}

}  // namespace striate

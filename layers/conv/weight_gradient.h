#pragma once
// What weight gradients share: dy as the right operand of a product that sums over positions, and the end of a sum that
// was cut into parts, so that more threads share it or caches hold its operands.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/integer.h"
#include "core/panel_product.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace striate {

/// out (panel, run, word of positions, column) = `count` columns of dy, with zeros up to whole panels. dy holds `runs`
/// times `length` positions, `row` values apart; neighbours of a run share a word of bf16, an odd last one is paired
/// with 0.
template <class T>
void pack_gradient(const T* dy, std::int64_t runs, std::int64_t length, std::int64_t row, std::int64_t count,
                   WordOf<T>* out) {
  constexpr std::int64_t step = word_depth<WordOf<T>>;
  for (std::int64_t k = 0; k < round_up(count, panel_width); k += lanes) {
    const std::int64_t left = std::clamp<std::int64_t>(count - k, 0, lanes);
    const T* from = dy + std::min(k, count);
    WordOf<T>* to = out + k / panel_width * runs * ceil_div(length, step) * panel_width + k % panel_width;
    for (std::int64_t run = 0; run < runs; ++run, from += length * row) {
      for (std::int64_t i = 0; i < length; i += step, to += panel_width) {
        const Vec values = load_lanes(from + i * row, left);
        if constexpr (step == 1) {
          store(to, values);
        } else {
          store(to, pair_bf16(values, i + 1 < length ? load_lanes(from + (i + 1) * row, left) : Vec{}));
        }
      }
    }
  }
}

/// sum (size) += parts (count, size), one part after the other: the same bits for any number of threads.
inline void add_parts(const float* parts, std::int64_t count, std::int64_t size, float* sum) {
  if (count == 0) return;
  parallel_for(size, 4096, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = 0; part < count; ++part) {
      for (std::int64_t i = begin; i < end; ++i) sum[i] += parts[part * size + i];
    }
  });
}

}  // namespace striate

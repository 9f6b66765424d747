#include "layers/conv/flip_filters.h"

#include <algorithm>
#include <cstring>

#include "core/integer.h"
#include "core/parallel.h"

namespace striate {
namespace {

/// out (columns, rows) = in (rows, columns)', rows `first` to `last` of in; first is a multiple of 16.
void transpose(const float* in, std::int64_t rows, std::int64_t columns, std::int64_t first, std::int64_t last,
               float* out) {
  using Four = float __attribute__((vector_size(16)));
  constexpr std::int64_t block = 16;  // values: a line of the cache, both ways
  const auto transpose4 = [&](std::int64_t r, std::int64_t c) {
    Four x[4];
    for (int i = 0; i < 4; ++i) std::memcpy(&x[i], in + (r + i) * columns + c, sizeof x[i]);
    const Four a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
    const Four b = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
    const Four d = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
    const Four e = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
    x[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    x[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    x[2] = __builtin_shufflevector(d, e, 0, 1, 4, 5);
    x[3] = __builtin_shufflevector(d, e, 2, 3, 6, 7);
    for (int i = 0; i < 4; ++i) std::memcpy(out + (c + i) * rows + r, &x[i], sizeof x[i]);
  };
  for (std::int64_t r0 = first; r0 < last; r0 += block) {
    for (std::int64_t c0 = 0; c0 < columns; c0 += block) {
      if (r0 + block <= last && c0 + block <= columns) {
        for (std::int64_t at = 0; at < block * block / 16; ++at) transpose4(r0 + at % 4 * 4, c0 + at / 4 * 4);
        continue;
      }
      for (std::int64_t c = c0; c < std::min(c0 + block, columns); ++c) {
        for (std::int64_t r = r0; r < std::min(r0 + block, last); ++r) out[c * rows + r] = in[r * columns + c];
      }
    }
  }
}

}  // namespace

void flip_filters(const float* w, std::int64_t taps, std::int64_t channels, std::int64_t filters, float* out) {
  constexpr std::int64_t grain = 64;
  const std::int64_t chunks = ceil_div(channels, grain);
  const std::int64_t size = channels * filters;
  parallel_for(taps * chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t tap = at / chunks;
      const std::int64_t first = at % chunks * grain;
      transpose(w + tap * size, channels, filters, first, std::min(first + grain, channels),
                out + (taps - 1 - tap) * size);
    }
  });
}

}  // namespace striate

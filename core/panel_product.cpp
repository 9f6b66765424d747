#include "core/panel_product.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/integer.h"

namespace striate {
namespace {

// Sums in registers: 2 columns of registers by so many rows leave a few registers for the operands.
#if defined(__AVX512F__)
constexpr int kMaxRows = 14;
#else
constexpr int kMaxRows = 6;
#endif

inline void multiply_add(Vec& sum, float a, Vec b) { sum += a * b; }

inline void multiply_add(Vec& sum, BfloatPair a, VecBits b) {
#if defined(__AVX512BF16__)
  const auto left = std::bit_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a)));
  sum = std::bit_cast<Vec>(_mm512_dpbf16_ps(std::bit_cast<__m512>(sum), left, std::bit_cast<__m512bh>(b)));
#else
  sum += std::bit_cast<float>(a << 16U) * std::bit_cast<Vec>(b << 16);
  sum += std::bit_cast<float>(a & 0xffff0000U) * std::bit_cast<Vec>(b & 0xffff0000U);
#endif
}

template <class Word>
using Kernel = void (*)(PanelDepth, const PanelRows<Word>&, const PanelColumns<Word>&, float*, std::ptrdiff_t, bool);

// by_depth: neighbours along the depth are neighbours in memory; otherwise neighbouring rows are.
template <class Word, int rows, bool by_depth>
void kernel(PanelDepth size, const PanelRows<Word>& left, const PanelColumns<Word>& right, float* c,
            std::ptrdiff_t c_row, bool accumulate) {
  Vec sum[rows][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) sum[i][0] = sum[i][1] = Vec{};
  const std::ptrdiff_t row = by_depth ? left.row : 1;
  const std::ptrdiff_t step = by_depth ? 1 : left.depth;
  const Word* b = right.data;
  const Word* segment = left.data;
  for (std::ptrdiff_t words = size.total; words > 0; words -= size.segment, segment += left.segment) {
    const Word* a = segment;
    for (std::ptrdiff_t l = std::min(words, size.segment); l > 0; --l) {
      const auto b0 = load(b);
      const auto b1 = load(b + lanes);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
        Word word;
        std::memcpy(&word, a + i * row, sizeof word);
        multiply_add(sum[i][0], word, b0);
        multiply_add(sum[i][1], word, b1);
      }
      a += step;
      b += right.depth;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
    float* to = c + i * c_row;
    if (accumulate) {
      sum[i][0] += load(to);
      sum[i][1] += load(to + lanes);
    }
    store(to, sum[i][0]);
    store(to + lanes, sum[i][1]);
  }
}

template <class Word, bool by_depth, int... counts>
constexpr std::array<Kernel<Word>, sizeof...(counts)> make_kernels(std::integer_sequence<int, counts...> /*of*/) {
  return {&kernel<Word, counts + 1, by_depth>...};
}

template <class Word, bool by_depth>
constexpr auto kernels = make_kernels<Word, by_depth>(std::make_integer_sequence<int, kMaxRows>{});

}  // namespace

template <class Word>
void multiply_panel(std::ptrdiff_t rows, PanelDepth depth, const PanelRows<Word>& a, const PanelColumns<Word>& b,
                    float* c, std::ptrdiff_t c_row, bool accumulate) {
  const auto& table = a.depth == 1 ? kernels<Word, true> : kernels<Word, false>;
  // Nearly equal groups of rows: 16 rows as 8 + 8 use the registers better than 14 + 2.
  for (std::ptrdiff_t groups = ceil_div(rows, kMaxRows), i = 0; i < rows; --groups) {
    const std::ptrdiff_t count = ceil_div(rows - i, groups);
    PanelRows<Word> part = a;
    part.data += i * a.row;
    table[static_cast<std::size_t>(count - 1)](depth, part, b, c + i * c_row, c_row, accumulate);
    i += count;
  }
}

template void multiply_panel(std::ptrdiff_t, PanelDepth, const PanelRows<float>&, const PanelColumns<float>&, float*,
                             std::ptrdiff_t, bool);
template void multiply_panel(std::ptrdiff_t, PanelDepth, const PanelRows<BfloatPair>&, const PanelColumns<BfloatPair>&,
                             float*, std::ptrdiff_t, bool);

}  // namespace striate

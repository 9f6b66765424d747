#pragma once
// The micro-kernel of the convolutions (layers/conv/): some rows of a times one packed panel of b, with the sums in
// registers. Operands are float, or pairs of bf16 packed in 32-bit words whose products are summed in float.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/simd.h"

namespace striate {

/// Two neighbours along the summed dimension, the first in the lower half.
using BfloatPair = std::uint32_t;

/// The operand of products on activations of type T.
template <class T>
using WordOf = std::conditional_t<std::is_same_v<T, float>, float, BfloatPair>;
/// How many neighbours along the summed dimension share a word.
template <class Word>
inline constexpr std::ptrdiff_t word_depth = std::is_same_v<Word, float> ? 1 : 2;

/// Columns of a panel of b, and so of the block of c that one call fills.
inline constexpr int panel_width = 2 * lanes;

/// Where the left operand lies: word (i, l) is at data[i*row + l*depth], and one of row and depth is 1. When
/// the sum goes over segments, l counts within one and `segment` leads to the next.
template <class Word>
struct PanelRows {
  const Word* data;
  std::ptrdiff_t row;
  std::ptrdiff_t depth;
  std::ptrdiff_t segment = 0;
};

/// Word (l, j), j < panel_width, is at data[l*depth + j]; segments follow one another.
template <class Word>
struct PanelColumns {
  const Word* data;
  std::ptrdiff_t depth = panel_width;
};

/// How many words the sum goes over, and how many of them a segment has (the last may have fewer).
struct PanelDepth {
  std::ptrdiff_t total;
  std::ptrdiff_t segment;

  explicit PanelDepth(std::ptrdiff_t words) : total(words), segment(words) {}
  PanelDepth(std::ptrdiff_t words, std::ptrdiff_t per_segment) : total(words), segment(per_segment) {}
};

/// c[i*c_row + j] = sum of a(i, l) * b(l, j), or += with accumulate; i < rows, j < panel_width.
template <class Word>
void multiply_panel(std::ptrdiff_t rows, PanelDepth depth, const PanelRows<Word>& a, const PanelColumns<Word>& b,
                    float* c, std::ptrdiff_t c_row, bool accumulate);

}  // namespace striate

#pragma once
// Filters to and from the positions of a Winograd product (winograd.cpp): u = G g G', and its adjoint for the weight
// gradient.

#include <algorithm>
#include <cstdint>

#include "core/integer.h"
#include "core/panel_product.h"
#include "core/simd.h"
#include "layers/conv/winograd_transform.h"

namespace striate {

/// Words of one position of a panel: ceil(channels / word_depth) rows of panel_width.
template <class Word>
std::int64_t panel_words(std::int64_t channels) {
  return ceil_div(channels, word_depth<Word>) * panel_width;
}

/// Transforms w (3, 3, channels, filters) for filters first, ..., first + panel_width - 1 (0 past the end)
/// and the positions of tile row `i`: out[(j*depth + l)*panel_width + column], j < positions, l < depth =
/// channels in words.
template <class Scheme, class Word>
void make_filter_panel(const float* w, std::int64_t channels, std::int64_t filters, std::int64_t first, int i,
                       Word* out) {
  const std::int64_t words = panel_words<Word>(channels);
  const std::int64_t tap = channels * filters;
  const auto transform = [&](std::int64_t c, std::int64_t k, Vec(&u)[Scheme::positions]) {
    if (c >= channels || k >= filters) {
      std::fill_n(u, Scheme::positions, Vec{});
      return;
    }
    Vec line[3];
    const std::int64_t left = std::min<std::int64_t>(filters - k, lanes);
#pragma GCC unroll 3
    for (int b = 0; b < 3; ++b) {
      line[b] = Vec{};
#pragma GCC unroll 3
      for (int a = 0; a < 3; ++a) {
        const float* from = w + (a * 3 + b) * tap + c * filters + k;
        line[b] += Scheme::filter[i][a] * load_lanes(from, left);
      }
    }
#pragma GCC unroll 6
    for (int j = 0; j < Scheme::positions; ++j) {
      const auto& g = Scheme::filter[j];
      u[j] = g[0] * line[0] + g[1] * line[1] + g[2] * line[2];
    }
  };
  for (std::int64_t c = 0; c < channels; c += word_depth<Word>) {
    for (int column = 0; column < panel_width; column += lanes) {
      Word* to = out + c / word_depth<Word> * panel_width + column;
      Vec u[Scheme::positions];
      transform(c, first + column, u);
      if constexpr (word_depth<Word> == 1) {
        for (int j = 0; j < Scheme::positions; ++j) store(to + j * words, u[j]);
      } else {
        Vec next[Scheme::positions];
        transform(c + 1, first + column, next);
        for (int j = 0; j < Scheme::positions; ++j) {
          store(to + j * words, pair_bf16(u[j], next[j]));
        }
      }
    }
  }
}

/// Adds (or with `overwrite` writes) G' u G, with 0 for the positions outside `Rows`, to the gradient dw (3, 3,
/// channels, filters) at channels c0, c0+1, ... and filters k0, k0+1, ...; u[p*plane + c*row + k] holds `block`
/// channels and a whole number of registers.
template <class Scheme, class Rows>
void add_filter_gradient(const float* u, std::int64_t plane, std::int64_t block, std::int64_t row,
                         std::int64_t channels, std::int64_t filters, std::int64_t c0, std::int64_t k0, bool overwrite,
                         float* dw) {
  constexpr int n = Scheme::positions;
  const auto adjoint = []<class Some>(Some, const Vec* from, Vec(&to)[3]) {
#pragma GCC unroll 3
    for (int a = 0; a < 3; ++a) {
      to[a] = Vec{};
#pragma GCC unroll 6
      for (int i = 0; i < Some::rows; ++i) {
        const float g = Scheme::filter[Some::first_row + i][a];
        if (g != 0) to[a] += g * from[i];
      }
    }
  };
  for (std::int64_t c = 0; c < block; ++c) {
    for (std::int64_t k = 0; k < row && k0 + k < filters; k += lanes) {
      Vec half[3][n];
#pragma GCC unroll 6
      for (int j = 0; j < n; ++j) {
        Vec column[Rows::rows];
        Vec to[3];
#pragma GCC unroll 6
        for (int i = 0; i < Rows::rows; ++i) column[i] = load(u + (i * n + j) * plane + c * row + k);
        adjoint(Rows{}, column, to);
        for (int a = 0; a < 3; ++a) half[a][j] = to[a];
      }
      const std::int64_t left = std::min<std::int64_t>(filters - k0 - k, lanes);
#pragma GCC unroll 3
      for (int a = 0; a < 3; ++a) {
        Vec to[3];
        adjoint(AllRows<Scheme>{}, half[a], to);
#pragma GCC unroll 3
        for (int b = 0; b < 3; ++b) {
          float* at = dw + ((a * 3 + b) * channels + c0 + c) * filters + k0 + k;
          store_lanes(at, overwrite ? to[b] : load_lanes(at, left) + to[b], left);
        }
      }
    }
  }
}

}  // namespace striate

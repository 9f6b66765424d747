#pragma once
// Sums over the rows of a channels-last tensor, accurate and in one order for any number of threads.

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/dtype.h"
#include "core/integer.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/tensor.h"
#include "layers/by_register.h"

namespace striate {

/// A tensor as a matrix of rows by channels, cut into chunks of rows that stay in a core's cache. Kernels
/// walk it in lines of so many rows that few values are left over when a line is cut into registers.
struct RowPlan {
  std::int64_t rows;
  std::int64_t channels;
  std::int64_t line_rows;
  std::int64_t chunk;  ///< rows of a chunk, whole lines, a function of the width alone

  [[nodiscard]] std::int64_t chunks() const { return ceil_div(rows, chunk); }
  [[nodiscard]] std::int64_t line() const { return line_rows * channels; }
};

inline RowPlan plan_rows(const Tensor& x) {
  constexpr std::int64_t chunk_bytes = 1 << 17;
  const std::int64_t channels = x.shape().back();
  if (channels == 0) return {.rows = 0, .channels = 0, .line_rows = 1, .chunk = 1};
  std::int64_t line_rows = 16 / std::gcd<std::int64_t, std::int64_t>(channels, 16);
  if (line_rows * channels > 4096) line_rows = 1;
  while (line_rows * channels < 128) line_rows *= 2;
  const std::int64_t chunk =
      std::max<std::int64_t>(16, chunk_bytes / (channels * static_cast<std::int64_t>(size_of(x.dtype()))));
  return {
      .rows = x.numel() / channels, .channels = channels, .line_rows = line_rows, .chunk = round_up(chunk, line_rows)};
}

/// Calls f(zero, i, c) for all values of rows begin .. end-1, a register or one at a time: i is the place in the
/// tensor, c the place in the line.
template <class P, class F>
void for_rows(const RowPlan& plan, std::int64_t begin, std::int64_t end, F f) {
  const std::int64_t stop = end * plan.channels;
  for (std::int64_t i = begin * plan.channels; i < stop; i += plan.line()) {
    by_register<P>(std::min(plan.line(), stop - i), [&](auto zero, std::int64_t c) { f(zero, i + c, c); });
  }
}

/// The same for all rows, in parallel.
template <class P, class F>
void for_values(const RowPlan& plan, F f) {
  parallel_for(plan.rows, plan.chunk, [=](std::int64_t begin, std::int64_t end) { for_rows<P>(plan, begin, end, f); });
}

// Adds to sums (n,channels) over lines of `line` values, first .. last-1. A few lines at a time are summed in
// P, those sums in double: as fast as P alone, nearly as exact as double.
template <class P, int n, class Terms>
void sum_lines(std::int64_t first, std::int64_t last, std::int64_t line, std::int64_t channels, double* sums,
               Terms terms) {
  constexpr std::int64_t block_lines = 16;
  Scratch<double> wide(n * line);
  double* totals = wide.data();
  std::fill_n(totals, n * line, 0.0);
  for (std::int64_t from = first; from < last; from += block_lines * line) {
    const std::int64_t to = std::min(last, from + block_lines * line);
    by_register_group<P, 8>(line, [&](auto zero, auto group, std::int64_t c) {
      using V = decltype(zero);
      V block[group][n] = {};
      for (std::int64_t i = from + c; i < to; i += line) {
        for (int g = 0; g < group; ++g) {
          terms(zero, i + g * values_in<V>, c + g * values_in<V>, block[g]);
        }
      }
      for (int g = 0; g < group; ++g) {
        for (int k = 0; k < n; ++k) add_to(totals + k * line + c + g * values_in<V>, block[g][k]);
      }
    });
  }
  for (int k = 0; k < n; ++k) {
    for (const double* row = totals + k * line; row < totals + (k + 1) * line; row += channels) {
      for (std::int64_t c = 0; c < channels; ++c) sums[k * channels + c] += row[c];
    }
  }
}

/// n sums per channel over rows begin .. end-1, to (n,channels): terms(zero, i, c, block) adds the terms of
/// the values at i, at c in their line, to block[0] .. block[n-1].
template <class P, int n, class Terms>
void sum_rows(const RowPlan& plan, std::int64_t begin, std::int64_t end, double* sums, Terms terms) {
  std::fill_n(sums, n * plan.channels, 0.0);
  const std::int64_t lines_end = end - (end - begin) % plan.line_rows;
  sum_lines<P, n>(begin * plan.channels, lines_end * plan.channels, plan.line(), plan.channels, sums, terms);
  if (lines_end == end) return;
  sum_lines<P, n>(lines_end * plan.channels, end * plan.channels, plan.channels, plan.channels, sums, terms);
}

/// Values (channels) in front of `line`, repeated to its end.
template <class P>
void fill_line(const RowPlan& plan, P* line) {
  for (std::int64_t c = plan.channels; c < plan.line(); ++c) line[c] = line[c - plan.channels];
}

// Joins means and sums of squared deviations, (chunks,2,C), into those of all rows, in the first chunk's
// place: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
// (1979).
inline void join_moments(const RowPlan& plan, double* partial) {
  double* mean = partial;
  double* squares = partial + plan.channels;
  auto count = static_cast<double>(std::min(plan.chunk, plan.rows));
  for (std::int64_t k = 1; k < plan.chunks(); ++k) {
    const double* next_mean = partial + k * 2 * plan.channels;
    const double* next_squares = next_mean + plan.channels;
    const auto next = static_cast<double>(std::min(plan.chunk, plan.rows - k * plan.chunk));
    const double share = next / (count + next);
    for (std::int64_t c = 0; c < plan.channels; ++c) {
      const double delta = next_mean[c] - mean[c];
      mean[c] += delta * share;
      squares[c] += next_squares[c] + delta * delta * count * share;
    }
    count += next;
  }
}

// The mean of a few rows at the start of a chunk, as a line.
template <class T, class P>
void guess_mean(const RowPlan& plan, const T* x, std::int64_t rows, double* sums, P* guess) {
  const std::int64_t guessed = std::min<std::int64_t>(8, rows);
  std::fill_n(sums, plan.channels, 0.0);
  for (std::int64_t r = 0; r < guessed; ++r) {
    for (std::int64_t c = 0; c < plan.channels; ++c) {
      sums[c] += static_cast<double>(x[r * plan.channels + c]);
    }
  }
  for (std::int64_t c = 0; c < plan.channels; ++c) {
    guess[c] = static_cast<P>(sums[c] / static_cast<double>(guessed));
  }
  fill_line(plan, guess);
}

/// (chunks,2,C) in double, of which the first (2,C) are every channel's mean and sum of squared deviations
/// from it. One pass over memory: a chunk's deviations are from a guess, the mean of its first few rows, and
/// their own sum puts that right. What cancels is at most rows-in-a-chunk / rows-in-the-guess times the sum
/// of squares, and for values in no special order about as much as it.
template <class T>
Tensor moments(const Tensor& x, const RowPlan& plan) {
  using P = compute_t<T>;
  const std::int64_t channels = plan.channels;
  Tensor result = Tensor::empty({plan.chunks(), 2, channels}, DType::f64);
  auto* partial = result.mutable_data<double>();
  const T* values = x.data<T>();
  parallel_for(plan.rows, plan.chunk, [&](std::int64_t begin, std::int64_t end) {
    double* first = partial + begin / plan.chunk * 2 * channels;
    double* second = first + channels;
    Scratch<P> line(plan.line());
    P* guess = line.data();
    guess_mean(plan, values + begin * channels, end - begin, first, guess);
    sum_rows<P, 2>(plan, begin, end, first, [=](auto zero, std::int64_t i, std::int64_t c, auto* sums) {
      using V = decltype(zero);
      const V deviation = read<V>(values + i) - read<V>(guess + c);
      sums[0] += deviation;
      sums[1] += deviation * deviation;
    });
    const auto count = static_cast<double>(end - begin);
    for (std::int64_t c = 0; c < channels; ++c) {
      const double slip = first[c] / count;
      second[c] = std::max(0.0, second[c] - slip * first[c]);
      first[c] = static_cast<double>(guess[c]) + slip;
    }
  });
  join_moments(plan, partial);
  return result;
}

}  // namespace striate

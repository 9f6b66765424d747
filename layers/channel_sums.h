#pragma once
// Sums over the rows of a channels-last tensor, accurate and in one order for any number of threads.

#include <algorithm>
#include <cstdint>

#include "core/dtype.h"
#include "core/parallel.h"
#include "core/tensor.h"

namespace striate {

/// A tensor as a matrix of rows by channels, cut into chunks of rows that stay in a core's cache.
struct RowPlan {
  std::int64_t rows;
  std::int64_t channels;
  std::int64_t chunk;  ///< rows of a chunk, a function of the width alone

  [[nodiscard]] std::int64_t chunks() const { return (rows + chunk - 1) / chunk; }
};

inline RowPlan plan_rows(const Tensor& x) {
  constexpr std::int64_t chunk_bytes = 1 << 17;
  const std::int64_t channels = x.shape().back();
  const auto row_bytes = std::max<std::int64_t>(1, channels * static_cast<std::int64_t>(size_of(x.dtype())));
  return {.rows = channels == 0 ? 0 : x.numel() / channels,
          .channels = channels,
          .chunk = std::max<std::int64_t>(16, chunk_bytes / row_bytes)};
}

/// Sums of terms over rows begin .. end-1: add_row(r, block) adds row r's terms to block. A few rows at a
/// time are summed in P, those sums in double: as fast as P alone, nearly as exact as double. total and block
/// have `width`.
template <class P, class AddRow>
void sum_rows(std::int64_t begin, std::int64_t end, std::int64_t width, double* total, P* block,
              AddRow add_row) {
  constexpr std::int64_t block_rows = 16;
  std::fill_n(total, width, 0.0);
  for (std::int64_t from = begin; from < end; from += block_rows) {
    std::fill_n(block, width, P{0});
    for (std::int64_t r = from; r < std::min(end, from + block_rows); ++r) add_row(r, block);
    for (std::int64_t i = 0; i < width; ++i) total[i] += static_cast<double>(block[i]);
  }
}

namespace detail {

// sum += x.
template <class T, class P>
void add_values(const T* __restrict x, P* __restrict sum, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) sum[c] += static_cast<P>(x[c]);
}

// first += x - mean, second += (x - mean)^2.
template <class T, class P>
void add_deviations(const T* __restrict x, const P* __restrict mean, P* __restrict first,
                    P* __restrict second, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const P deviation = static_cast<P>(x[c]) - mean[c];
    first[c] += deviation;
    second[c] += deviation * deviation;
  }
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

}  // namespace detail

/// (chunks,2,C) in double, of which the first (2,C) are every channel's mean and sum of squared deviations
/// from it. One pass over memory: the second look at a chunk finds it in the cache. Its deviations are from a
/// rounded mean, which their own sum puts right.
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
    Tensor scratch = Tensor::empty({3, channels}, DTypeOf<P>::value);
    P* mean = scratch.mutable_data<P>();
    P* block = mean + channels;
    const auto count = static_cast<double>(end - begin);
    sum_rows(begin, end, channels, first, block,
             [=](std::int64_t r, P* sum) { detail::add_values(values + r * channels, sum, channels); });
    for (std::int64_t c = 0; c < channels; ++c) mean[c] = static_cast<P>(first[c] / count);
    sum_rows(begin, end, 2 * channels, first, block, [=](std::int64_t r, P* sums) {
      detail::add_deviations(values + r * channels, mean, sums, sums + channels, channels);
    });
    for (std::int64_t c = 0; c < channels; ++c) {
      const double slip = first[c] / count;
      second[c] -= slip * first[c];
      first[c] = static_cast<double>(mean[c]) + slip;
    }
  });
  detail::join_moments(plan, partial);
  return result;
}

}  // namespace striate

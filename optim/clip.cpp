#include "optim/clip.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/parallel.h"
#include "optim/own_gradient.h"

namespace striate {

namespace {

/// Elements a chunk sums or scales.
constexpr std::int64_t grain = 1 << 14;

/// Eight running sums, added up at the end, let the loop fill vector registers without changing the order of
/// anything.
template <class T>
double sum_of_squares(const T* g, std::int64_t begin, std::int64_t end) {
  std::array<double, 8> sums{};
  std::int64_t i = begin;
  for (; i + 8 <= end; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) {
      const auto value = static_cast<double>(g[i + static_cast<std::int64_t>(lane)]);
      sums[lane] += value * value;
    }
  }
  for (; i < end; ++i) sums[0] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double sum_of_squares(const Tensor& gradient) {
  std::vector<double> partial(static_cast<std::size_t>((gradient.numel() + grain - 1) / grain));
  dispatch_floating("clip_grad_norm_", gradient.dtype(), [&](auto zero) {
    const auto* g = gradient.data<decltype(zero)>();
    parallel_for(gradient.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      partial[static_cast<std::size_t>(begin / grain)] = sum_of_squares(g, begin, end);
    });
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

void scale(Tensor& gradient, double factor) {
  dispatch_floating("clip_grad_norm_", gradient.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* g = gradient.mutable_data<T>();
    const auto by = static_cast<compute_t<T>>(factor);
    parallel_for(gradient.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) g[i] = static_cast<T>(static_cast<compute_t<T>>(g[i]) * by);
    });
  });
}

}  // namespace

double clip_grad_norm_(const std::vector<NamedTensor>& parameters, double max_norm) {
  if (!(max_norm > 0)) {
    throw std::invalid_argument("[clip_grad_norm_] expected max_norm > 0, got " + std::to_string(max_norm));
  }
  double sum = 0;
  for (const NamedTensor& parameter : parameters) {
    const Tensor gradient = parameter.value.grad();
    if (gradient.defined()) sum += sum_of_squares(gradient);
  }
  const double norm = std::sqrt(sum);
  const double factor = max_norm / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  for (const NamedTensor& parameter : parameters) {
    Tensor gradient = own_gradient(parameter.value);
    if (!gradient.defined()) continue;
    scale(gradient, factor);
  }
  return norm;
}

}  // namespace striate

#include "optim/gradients.h"

#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

#include "core/check.h"
#include "core/integer.h"
#include "core/parallel.h"

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
  std::vector<double> partial(static_cast<std::size_t>(ceil_div(gradient.numel(), grain)));
  dispatch_floating("clip_grad_norm_", gradient.dtype(), [&](auto zero) {
    const auto* g = gradient.data<decltype(zero)>();
    parallel_for(gradient.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      partial[static_cast<std::size_t>(begin / grain)] = sum_of_squares(g, begin, end);
    });
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

/// The parameter's gradient, undefined where there is none. A tensor of someone else's that was set as the gradient is
/// not ours to write to: a copy takes its place.
Tensor own_gradient(Tensor parameter) {
  Tensor gradient = parameter.grad();
  if (!gradient.defined() || gradient.unique()) return gradient;
  gradient = gradient.clone();
  parameter.set_grad(gradient);
  return gradient;
}

/// False where an element was not finite; multiplies all of them in any case.
template <class T>
bool scale_(Tensor& gradient, double factor) {
  using C = compute_t<T>;
  const auto by = static_cast<C>(factor);
  T* g = gradient.mutable_data<T>();
  std::atomic<bool> all_finite{true};
  parallel_for(gradient.numel(), grain, [&, by, g](std::int64_t begin, std::int64_t end) {
    int finite = 1;  // an int and no early end: the loop fills vector registers
    for (std::int64_t i = begin; i < end; ++i) {
      const auto value = static_cast<C>(g[i]);
      finite &= static_cast<int>(std::abs(value) <= std::numeric_limits<C>::max());
      g[i] = static_cast<T>(value * by);
    }
    if (finite == 0) all_finite = false;
  });
  return all_finite;
}

}  // namespace

double clip_grad_norm_(const std::vector<NamedTensor>& parameters, double max_norm) {
  expect(max_norm > 0, "clip_grad_norm_", "max_norm > 0", max_norm);
  double sum = 0;
  for (const NamedTensor& parameter : parameters) {
    const Tensor gradient = parameter.value.grad();
    if (gradient.defined()) sum += sum_of_squares(gradient);
  }
  const double norm = std::sqrt(sum);
  const double factor = max_norm / (norm + 1e-6);
  if (std::isfinite(norm) && factor < 1) scale_gradients_(parameters, factor);
  return norm;
}

bool scale_gradients_(const std::vector<NamedTensor>& parameters, double factor) {
  bool finite = true;
  for (const NamedTensor& parameter : parameters) {
    Tensor gradient = own_gradient(parameter.value);
    if (!gradient.defined()) continue;
    const bool this_finite = dispatch_floating("scale_gradients_", gradient.dtype(),
                                               [&]<class T>(T) { return scale_<T>(gradient, factor); });
    finite = finite && this_finite;
  }
  return finite;
}

}  // namespace striate

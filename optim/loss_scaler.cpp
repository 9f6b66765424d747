#include "optim/loss_scaler.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/parallel.h"
#include "optim/own_gradient.h"

namespace striate {

namespace {

/// Elements a chunk scales.
constexpr std::int64_t grain = 1 << 14;

void expect(bool holds, const char* expected, double got) {
  if (holds) return;
  throw std::invalid_argument("[loss_scaler] expected " + std::string(expected) + ", got " + std::to_string(got));
}

bool is_scale(double scale) { return scale > 0 && std::isfinite(scale); }

/// False where an element is not finite; multiplies all of them in any case.
template <class T>
bool scale_all(Tensor& gradient, double factor) {
  using C = compute_t<T>;
  const auto by = static_cast<C>(factor);
  T* g = gradient.mutable_data<T>();
  std::atomic<bool> all_finite{true};
  parallel_for(gradient.numel(), grain, [&, by, g](std::int64_t begin, std::int64_t end) {
    bool finite = true;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto value = static_cast<C>(g[i]);
      finite = finite && std::isfinite(value);
      g[i] = static_cast<T>(value * by);
    }
    if (!finite) all_finite = false;
  });
  return all_finite;
}

}  // namespace

LossScaler::LossScaler(const LossScalerOptions& options) : options_(options), scale_(options.init) {
  expect(is_scale(options.init), "init > 0 and finite", options.init);
  expect(options.growth > 1 && std::isfinite(options.growth), "growth > 1 and finite", options.growth);
  expect(options.backoff > 0 && options.backoff < 1, "backoff between 0 and 1", options.backoff);
  expect(options.interval >= 1, "interval >= 1", static_cast<double>(options.interval));
}

bool LossScaler::unscale(const std::vector<NamedTensor>& parameters) const {
  bool finite = true;
  for (const NamedTensor& parameter : parameters) {
    Tensor gradient = own_gradient(parameter.value);
    if (!gradient.defined()) continue;
    const bool this_finite = dispatch_floating("loss_scaler", gradient.dtype(),
                                               [&]<class T>(T) { return scale_all<T>(gradient, 1 / scale_); });
    finite = finite && this_finite;
  }
  return finite;
}

void LossScaler::update(bool finite) {
  if (!options_.dynamic) return;
  if (!finite) {
    scale_ *= options_.backoff;
    tracker_ = 0;
    return;
  }
  if (++tracker_ < static_cast<double>(options_.interval)) return;
  const double grown = scale_ * options_.growth;
  if (grown <= static_cast<double>(std::numeric_limits<float>::max())) scale_ = grown;
  tracker_ = 0;
}

void LossScaler::load_state(double scale, double tracker) {
  expect(is_scale(scale), "a scale > 0 and finite", scale);
  const bool counts =
      tracker >= 0 && tracker < static_cast<double>(options_.interval) && std::trunc(tracker) == tracker;
  expect(counts, "a tracker that counts steps below the interval", tracker);
  scale_ = scale;
  tracker_ = tracker;
}

}  // namespace striate

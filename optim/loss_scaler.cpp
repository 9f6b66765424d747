#include "optim/loss_scaler.h"

#include <cmath>
#include <limits>

#include "core/check.h"
#include "optim/gradients.h"

namespace striate {

namespace {

bool is_scale(double scale) { return scale > 0 && std::isfinite(scale); }

}  // namespace

LossScaler::LossScaler(const LossScalerOptions& options) : options_(options), scale_(options.init_scale) {
  expect(is_scale(options.init_scale), "loss_scaler", "init_scale > 0 and finite", options.init_scale);
  expect(options.growth_factor > 1 && std::isfinite(options.growth_factor), "loss_scaler",
         "growth_factor > 1 and finite", options.growth_factor);
  expect(options.backoff_factor > 0 && options.backoff_factor < 1, "loss_scaler", "backoff_factor between 0 and 1",
         options.backoff_factor);
  expect(options.growth_interval >= 1, "loss_scaler", "growth_interval >= 1",
         static_cast<double>(options.growth_interval));
}

bool LossScaler::unscale(const std::vector<NamedTensor>& parameters) const {
  return scale_gradients_(parameters, 1 / scale_);
}

void LossScaler::update(bool finite) {
  if (!options_.dynamic) return;
  if (!finite) {
    scale_ *= options_.backoff_factor;
    tracker_ = 0;
    return;
  }
  if (++tracker_ < static_cast<double>(options_.growth_interval)) return;
  const double grown = scale_ * options_.growth_factor;
  if (grown <= static_cast<double>(std::numeric_limits<float>::max())) scale_ = grown;
  tracker_ = 0;
}

void LossScaler::load_state(double scale, double tracker) {
  expect(is_scale(scale), "loss_scaler", "a scale > 0 and finite", scale);
  const bool counts =
      tracker >= 0 && tracker < static_cast<double>(options_.growth_interval) && std::trunc(tracker) == tracker;
  expect(counts, "loss_scaler", "a tracker that counts steps below growth_interval", tracker);
  scale_ = scale;
  tracker_ = tracker;
}

}  // namespace striate

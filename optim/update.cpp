#include "optim/update.h"

#include <cmath>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/named_options.h"
#include "optim/gradients.h"

namespace striate {

namespace {

// A fixed scale cannot recover; one batch with an outlier is no reason to give up.
constexpr double most_skipped_in_a_row = 20;

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

Update::Update(Optimizer& optimizer, std::vector<NamedTensor> parameters, const UpdateOptions& options)
    : optimizer_(optimizer), parameters_(std::move(parameters)), clip_norm_(options.clip_norm) {
  expect(clip_norm_ >= 0, "update", "clip_norm >= 0", clip_norm_);
  if (options.loss_scale) {
    dynamic_ = options.loss_scale->dynamic;
    scaler_.emplace(*options.loss_scale);
  }
}

void Update::begin(double learning_rate) {
  optimizer_.set_lr(learning_rate);
  optimizer_.zero_grad();
}

void Update::apply() {
  if (scaler_) {
    const bool finite = scaler_->unscale(parameters_);
    scaler_->update(finite);
    skipped_in_a_row_ = finite ? 0 : skipped_in_a_row_ + 1;
    if (!finite) {
      ++skipped_;
      return;
    }
  }
  if (clip_norm_ > 0) clip_grad_norm_(parameters_, clip_norm_);
  optimizer_.step();
}

bool Update::collapsed() const {
  if (!scaler_) return false;
  return dynamic_ ? scaler_->scale() < 1 : skipped_in_a_row_ >= most_skipped_in_a_row;
}

std::string Update::describe() const {
  if (!scaler_) return {};
  return "loss scale " + OptionText(scaler_->scale()).text + ", skipped steps: " + OptionText(skipped_).text;
}

void Update::save(TrainingState& state) const {
  if (!scaler_) return;
  state.metrics["loss_scale"] = scaler_->scale();
  state.metrics["loss_scale.tracker"] = scaler_->tracker();
  state.metrics["skipped"] = skipped_;
  state.metrics["skipped_in_a_row"] = skipped_in_a_row_;
}

void Update::load(const TrainingState& state) {
  if (!scaler_) return;
  scaler_->load_state(state.metric("loss_scale"), state.metric("loss_scale.tracker"));
  skipped_ = state.metric("skipped");
  skipped_in_a_row_ = state.metric("skipped_in_a_row");
}

}  // namespace striate

#include "optim/update.h"

#include <utility>

#include "core/check.h"
#include "core/named_options.h"
#include "optim/gradients.h"

namespace striate {

namespace {

// A fixed scale cannot recover; one batch with an outlier is no reason to give up.
constexpr double most_skipped_in_a_row = 20;

}  // namespace

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
  scaler_->load_state(state.metrics.at("loss_scale"), state.metrics.at("loss_scale.tracker"));
  skipped_ = state.metrics.at("skipped");
  skipped_in_a_row_ = state.metrics.at("skipped_in_a_row");
}

}  // namespace striate

#include "apps/training/update.h"

#include <spdlog/fmt/fmt.h>

#include "apps/cli/loss_scale.h"
#include "apps/cli/train_parts.h"
#include "optim/clip.h"

namespace striate::cli {
namespace {

// A scale that stays cannot help itself; one batch with an outlier is no reason to give up.
constexpr double kMostLeftOut = 20;

std::vector<NamedTensor> parameters_of(const Sgd& optimizer) {
  std::vector<NamedTensor> all;
  for (const ParameterGroup& group : optimizer.groups()) {
    all.insert(all.end(), group.parameters.begin(), group.parameters.end());
  }
  return all;
}

}  // namespace

Update::Update(const TrainOptions& options, Layer& model)
    : model_(model),
      clip_norm_(options.clip_norm),
      optimizer_(build_optimizer(options, model)),
      trained_(parameters_of(optimizer_)) {
  if (const auto scale = loss_scale_of(options.loss_scale, options.precision)) {
    dynamic_ = scale->dynamic;
    scaler_.emplace(*scale);
  }
}

void Update::begin(double learning_rate) {
  optimizer_.set_lr(learning_rate);
  optimizer_.zero_grad();
}

void Update::apply() {
  bool finite = true;
  if (scaler_) {
    finite = scaler_->unscale(trained_);
    scaler_->update(finite);
    left_out_ += finite ? 0 : 1;
    left_out_in_a_row_ = finite ? 0 : left_out_in_a_row_ + 1;
  }
  if (finite) {
    if (clip_norm_ > 0) clip_grad_norm_(model_.parameters(), clip_norm_);
    optimizer_.step();
  }
}

bool Update::collapsed() const {
  if (!scaler_) return false;
  return dynamic_ ? scaler_->scale() < 1 : left_out_in_a_row_ >= kMostLeftOut;
}

std::string Update::describe() const {
  if (!scaler_) return {};
  return fmt::format("loss scale {} ({} updates left out)", scaler_->scale(), left_out_);
}

void Update::save(TrainingState& state) const {
  if (!scaler_) return;
  state.metrics["loss_scale"] = scaler_->scale();
  state.metrics["loss_scale.tracker"] = scaler_->tracker();
  state.metrics["left_out"] = left_out_;
  state.metrics["left_out_in_a_row"] = left_out_in_a_row_;
}

void Update::load(const TrainingState& state) {
  if (!scaler_) return;
  scaler_->load_state(state.metrics.at("loss_scale"), state.metrics.at("loss_scale.tracker"));
  left_out_ = state.metrics.at("left_out");
  left_out_in_a_row_ = state.metrics.at("left_out_in_a_row");
}

}  // namespace striate::cli

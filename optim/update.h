#pragma once
// The update around an optimiser: unscale the gradients, clip them, step; or skip a step whose gradients overflowed.
// Called by training loops; read optim/loss_scaler.h and optim/gradients.h next.

#include <optional>
#include <string>
#include <vector>

#include "optim/checkpoint.h"
#include "optim/loss_scaler.h"
#include "optim/optimizer.h"

namespace striate {

struct UpdateOptions {
  double clip_norm = 0;                           ///< clip_grad_norm_ to this; 0: off
  std::optional<LossScalerOptions> loss_scale{};  ///< without one, overflowing gradients are stepped with
};

/// A step:
///   update.begin(learning_rate);
///   loss.backward(Tensor::full({}, update.loss_scale()));   // several times, to accumulate gradients
///   update.apply();
class Update {
 public:
  /// `parameters` are all whose gradients count, in the order in which their norm is summed: the model's.
  Update(Optimizer& optimizer, std::vector<NamedTensor> parameters, const UpdateOptions& options = {});

  /// Clears the gradients; the next step is at this rate.
  void begin(double learning_rate);
  /// What the loss must be multiplied by before backward; 1 without a loss scale.
  [[nodiscard]] double loss_scale() const { return scaler_ ? scaler_->scale() : 1; }
  /// The step. With a loss scale, one whose gradients are not finite is skipped, as by PyTorch's GradScaler.
  void apply();

  /// Whether no loss scale helps: a dynamic one has fallen below 1, or twenty steps in a row were skipped with a fixed
  /// one.
  [[nodiscard]] bool collapsed() const;
  /// "loss scale 32768, skipped steps: 2"; empty without one.
  [[nodiscard]] std::string describe() const;

  /// To and from TrainingState::metrics.
  void save(TrainingState& state) const;
  void load(const TrainingState& state);

 private:
  Optimizer& optimizer_;
  std::vector<NamedTensor> parameters_;
  double clip_norm_;
  bool dynamic_ = false;
  std::optional<LossScaler> scaler_;
  double skipped_ = 0;
  double skipped_in_a_row_ = 0;
};

}  // namespace striate

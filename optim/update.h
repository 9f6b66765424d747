#pragma once
// The update around an optimiser: unscale the gradients, clip them, step; or skip a step whose gradients overflowed.
// Called by training loops; read optim/gradients.h next.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "optim/checkpoint.h"
#include "optim/optimizer.h"

namespace striate {

struct LossScalerOptions {
  double init_scale = 65536;
  double growth_factor = 2;             ///< after growth_interval finite steps in a row; more than 1
  double backoff_factor = 0.5;          ///< after a step that is not finite; between 0 and 1
  std::int64_t growth_interval = 2000;  ///< steps
  bool dynamic = true;                  ///< false: a fixed scale
};

/// Loss scaling for gradients in f16, whose smallest number is 6e-8 ("Mixed Precision Training", Micikevicius et al.
/// 2017), with the arithmetic and names of PyTorch's GradScaler. A step: loss.backward(Tensor::full({},
/// scaler.scale())), then
///   const bool finite = scaler.unscale(parameters);
///   if (finite) optimizer.step();
///   scaler.update(finite);
/// Backward passes that are added up share one scale and one unscale.
class LossScaler {
 public:
  /// Throws std::invalid_argument for options out of range.
  explicit LossScaler(const LossScalerOptions& options = {});

  [[nodiscard]] double scale() const { return scale_; }

  /// Multiplies all gradients by 1 / scale (optim/gradients.h): exact for powers of two. False where one is not finite,
  /// and the step must be skipped.
  [[nodiscard]] bool unscale(const std::vector<NamedTensor>& parameters) const;

  /// Not finite: scale * backoff_factor. Finite for the growth_interval-th time in a row: scale * growth_factor,
  /// unless that is beyond f32. There is no lower bound: a scale below 1 says that the gradients are not finite by
  /// themselves.
  void update(bool finite);

  /// Finite steps since the scale last changed. With scale() it is all that a checkpoint needs.
  [[nodiscard]] double tracker() const { return tracker_; }
  /// Throws std::invalid_argument unless scale > 0 and tracker is a count below growth_interval.
  void load_state(double scale, double tracker);

 private:
  LossScalerOptions options_;
  double scale_;
  double tracker_ = 0;
};

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
  [[nodiscard]] double skipped() const { return skipped_; }  ///< steps
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

#pragma once
// Loss scaling for gradients in f16, whose smallest number is 6e-8 ("Mixed Precision Training", Micikevicius
// et al. 2017), with the arithmetic and names of PyTorch's GradScaler. Called by Update (optim/update.h).

#include <cstdint>
#include <vector>

#include "core/module.h"

namespace striate {

struct LossScalerOptions {
  double init_scale = 65536;
  double growth_factor = 2;             ///< after growth_interval finite steps in a row; more than 1
  double backoff_factor = 0.5;          ///< after a step that is not finite; between 0 and 1
  std::int64_t growth_interval = 2000;  ///< steps
  bool dynamic = true;                  ///< false: a fixed scale
};

/// A step: loss.backward(Tensor::full({}, scaler.scale())), then
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

}  // namespace striate

#pragma once
// Loss scaling for gradients in f16, whose smallest number is 6e-8 ("Mixed Precision Training", Micikevicius
// et al. 2017), with the arithmetic of PyTorch's GradScaler.

#include <cstdint>
#include <vector>

#include "core/module.h"

namespace striate {

struct LossScalerOptions {
  double init = 65536;
  double growth = 2;             ///< factor after `interval` finite steps in a row; more than 1
  double backoff = 0.5;          ///< factor after a step that is not finite; between 0 and 1
  std::int64_t interval = 2000;  ///< steps
  bool dynamic = true;           ///< false: the scale stays
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

  /// Multiplies all gradients by 1 / scale, rounded to f32 first (f64 for f64 gradients): exact for powers of
  /// two. False where one is not finite, and the step must be skipped.
  [[nodiscard]] bool unscale(const std::vector<NamedTensor>& parameters) const;

  /// Not finite: scale * backoff. Finite for the `interval`-th time in a row: scale * growth, unless that is
  /// beyond f32. There is no lower bound: a scale below 1 says that the gradients are not finite by
  /// themselves.
  void update(bool finite);

  /// Finite steps since the scale last changed. With scale() it is all that a checkpoint needs.
  [[nodiscard]] double tracker() const { return tracker_; }
  /// Throws std::invalid_argument unless scale > 0 and tracker is a count below the interval.
  void load_state(double scale, double tracker);

 private:
  LossScalerOptions options_;
  double scale_;
  double tracker_ = 0;
};

}  // namespace striate

#pragma once
// AdamW, "Decoupled Weight Decay Regularization", Loshchilov and Hutter 2019, with PyTorch's arithmetic, names and
// defaults. Read optim/optimizer.h first.

#include "optim/optimizer.h"

namespace striate {

struct AdamWOptions {
  double lr = 1e-3;  ///< of the parameters' one group
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< of the parameters' one group
};

/// For each parameter w with a gradient g, in its step t:
///   w = w * (1 - lr * weight_decay)
///   m = beta1 * m + (1 - beta1) * g
///   v = beta2 * v + (1 - beta2) * g^2
///   w = w - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
/// Slots: "exp_avg" for m, "exp_avg_sq" for v.
class AdamW : public Optimizer {
 public:
  /// Throws std::invalid_argument for options out of range.
  explicit AdamW(std::vector<NamedTensor> parameters, const AdamWOptions& options = {});
  /// Groups bring lr and weight_decay of their own: those of the options must be left as they are.
  explicit AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options = {});

 private:
  void update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& state) override;

  double beta1_;
  double beta2_;
  double eps_;
};

}  // namespace striate

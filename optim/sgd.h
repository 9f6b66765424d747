#pragma once
// Stochastic gradient descent, with PyTorch's arithmetic and names. Read optim/optimizer.h first.

#include "optim/optimizer.h"

namespace striate {

struct SgdOptions {
  double lr = 1e-3;  ///< of the parameters' one group
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;  ///< of the parameters' one group
  bool nesterov = false;    ///< needs momentum > 0 and dampening 0
};

/// For each parameter w with a gradient g:
///   d = g + weight_decay * w
///   m = momentum * m + (1 - dampening) * d, in the first step m = d       (where momentum is not 0)
///   w = w - lr * (nesterov ? d + momentum * m : m)                        (without momentum: w - lr * d)
/// Slot: "momentum", where momentum is not 0.
class Sgd : public Optimizer {
 public:
  /// Throws std::invalid_argument for options out of range.
  explicit Sgd(std::vector<NamedTensor> parameters, const SgdOptions& options = {});
  /// Groups bring lr and weight_decay of their own: those of the options must be left as they are.
  explicit Sgd(std::vector<ParameterGroup> groups, const SgdOptions& options = {});

 private:
  void update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& state) override;

  double momentum_;
  double dampening_;
  bool nesterov_;
};

}  // namespace striate

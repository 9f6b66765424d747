#pragma once
// Stochastic gradient descent, with PyTorch's arithmetic and names.

#include <cstddef>
#include <string>
#include <vector>

#include "core/module.h"
#include "core/state.h"

namespace striate {

struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;  ///< needs momentum > 0 and dampening 0
  double lr_scale = 1;    ///< set_lr(lr) gives the group lr * lr_scale
};

/// Parameters that share their settings.
struct ParameterGroup {
  std::vector<NamedTensor> parameters;
  SgdOptions options;
};

/// For each parameter w with a gradient g:
///   d = g + weight_decay * w
///   m = momentum * m + (1 - dampening) * d, in the first step m = d       (where momentum is not 0)
///   w = w - lr * (nesterov ? d + momentum * m : m)                        (without momentum: w - lr * d)
/// A parameter without a gradient is skipped, as in PyTorch.
class Sgd {
 public:
  /// Parameters are f32 or f64, want gradients, and have names of their own. Throws std::invalid_argument.
  explicit Sgd(std::vector<ParameterGroup> groups);
  Sgd(std::vector<NamedTensor> parameters, const SgdOptions& options);

  /// One update, in one pass over memory.
  void step();
  /// Clears all gradients.
  void zero_grad();
  /// The learning rate of every group, times its lr_scale.
  void set_lr(double lr);

  [[nodiscard]] const std::vector<ParameterGroup>& groups() const { return groups_; }
  /// Throws std::invalid_argument, also for a group that is not there.
  void set_options(std::size_t group, const SgdOptions& options);

  /// The momentum of every parameter that was ever updated with momentum, by its name and with its file_axes.
  /// Shares the optimiser's memory.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  /// Replaces all momentum by copies of these tensors in file layout, by name; parameters not named start
  /// without, as before their first step. Throws std::invalid_argument with all that does not fit, and
  /// changes nothing then.
  void load_state(const FileState& state);
  /// What load_state would say: see core/state.h. Without `convert` dtypes must be the parameters'.
  [[nodiscard]] std::string state_problems(const FileState& state, bool convert = true) const;

 private:
  std::vector<ParameterGroup> groups_;
  /// Beside groups_[i].parameters; undefined before the first step.
  std::vector<std::vector<Tensor>> momentum_;
};

/// Throws std::invalid_argument with the value that is out of range.
void check_options(const SgdOptions& options);

}  // namespace striate

#pragma once
// WeightAverage: a model's weights averaged over a run, to evaluate and save in place of the last ones. Called by
// Averages (optim/averages.h), which keeps those of a run.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

/// An average of a module's parameters and floating buffers (the running statistics of batch norms, too, as
/// PyTorch's AveragedModel with use_buffers); other buffers are copied at every update. It is kept in the
/// dtypes of the module, each update computed in f64 and rounded once. An average in f32 no longer moves where
/// (1 - decay) * |w - a| is below half a unit in its last place, 3e-8 to 6e-8 of |a|: for a decay of 0.9999
/// where w is within 3e-4 of it.
class WeightAverage {
 public:
  /// Make it after Module::to(): it holds on to the tensors that the module has now.
  explicit WeightAverage(const Module& module);

  /// Exponential moving average: a = decay * a + (1 - decay) * w. The first call copies w. Throws
  /// std::invalid_argument unless 0 <= decay <= 1.
  void update_ema(double decay);
  /// Mean over all calls, a = a + (w - a) / (count + 1): "Averaging Weights Leads to Wider Optima and Better
  /// Generalization" (SWA), Izmailov et al. 2018.
  void update_equal();
  /// Updates so far.
  [[nodiscard]] std::int64_t count() const { return count_; }

  /// Exchanges the values of the module and the average; the second call changes them back. While they are
  /// exchanged, updates and states are refused. Throws std::logic_error before the first update.
  void swap();  // NOLINT(bugprone-exception-escape): a verb, not the swap of two WeightAverages

  /// The average in file layout by prefix + name, for TrainingState::tensors; count() goes into the metrics.
  /// Empty before the first update. Shares memory with the average. Throws std::logic_error while swapped.
  [[nodiscard]] std::map<std::string, Tensor> state(const std::string& prefix) const;
  /// Copies what state() gave; entries without the prefix belong to others. Throws std::invalid_argument with
  /// all that does not fit and changes nothing then.
  void load_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix, std::int64_t count);

 private:
  void update(double share);
  void expect_not_swapped(const char* what) const;

  std::vector<NamedTensor> weights_;  ///< the module's
  std::vector<NamedTensor> average_;  ///< beside them
  std::int64_t count_ = 0;
  bool swapped_ = false;
};

}  // namespace striate

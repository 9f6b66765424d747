#pragma once
// Lookahead (Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", 2019).

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

struct LookaheadOptions {
  std::int64_t every = 5;  ///< steps of the inner optimiser between two of the slow weights: the paper's k
  double alpha = 0.5;      ///< how far the slow weights go towards the fast ones
};

/// Slow weights behind the weights that an optimiser moves. After every `every` steps
///   slow = slow + alpha * (w - slow),   w = slow
/// in the dtype of the weights, computed in f64 and rounded once. The optimiser keeps its momentum.
class Lookahead {
 public:
  /// The slow weights start as copies of these parameters: make it after they have their first values. Throws
  /// std::invalid_argument unless every >= 1 and 0 <= alpha <= 1.
  explicit Lookahead(std::vector<NamedTensor> parameters, const LookaheadOptions& options = {});

  /// Call it after each step of the optimiser with the steps taken so far, the first being 1.
  void after_step(std::int64_t step);

  /// The slow weights in file layout by prefix + name, for TrainingState::tensors. Shares memory.
  [[nodiscard]] std::map<std::string, Tensor> state(const std::string& prefix) const;
  /// Copies what state() gave; entries without the prefix belong to others. Throws std::invalid_argument with
  /// all that does not fit and changes nothing then.
  void load_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix);

 private:
  std::vector<NamedTensor> fast_;
  std::vector<NamedTensor> slow_;
  LookaheadOptions options_;
};

}  // namespace striate

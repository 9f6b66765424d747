#pragma once
// The averages of weights that a run keeps beside its weights: an exponential moving average over steps (EMA), and an
// equal one over epochs (stochastic weight averaging, SWA). Called by training loops.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/module.h"
#include "optim/checkpoint.h"

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

  /// Calls `body` while the module has the average's values; what it writes into buffers stays with the average. What
  /// it throws is passed on, with the module's own values back. Throws std::logic_error before the first update.
  void with(const std::function<void()>& body);

  /// The average in file layout by prefix + name, for TrainingState::tensors; count() goes into the metrics.
  /// Empty before the first update. Shares memory with the average.
  [[nodiscard]] std::map<std::string, Tensor> state(const std::string& prefix) const;
  /// Copies what state() gave; entries without the prefix belong to others. Throws std::invalid_argument with
  /// all that does not fit and changes nothing then.
  void load_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix, std::int64_t count);

 private:
  void update(double share);
  void exchange();

  std::vector<NamedTensor> weights_;  ///< the module's
  std::vector<NamedTensor> average_;  ///< beside them
  std::int64_t count_ = 0;
};

struct AveragesOptions {
  double ema_decay = 0;       ///< at every step, 0.999 or so; 0: no EMA
  std::int64_t swa_from = 0;  ///< the first epoch, counted from 1, that SWA takes; 0: no SWA
};

class Averages {
 public:
  static constexpr const char* ema = "ema";
  static constexpr const char* swa = "swa";

  /// Make it after the model has its first values and its dtype. Throws std::invalid_argument for options out of range.
  Averages(const Module& model, const AveragesOptions& options);

  /// Those that are kept.
  [[nodiscard]] std::vector<std::string> names() const;

  void after_step();
  /// `epoch` counts from 0. Repeating it, as a run does that was interrupted between this and the epoch's
  /// checkpoint, changes nothing.
  void after_epoch(std::int64_t epoch);

  /// WeightAverage::with(). Does nothing, and returns false, where nothing has been averaged yet.
  bool with(const std::string& name, const std::function<void()>& body);

  /// To and from TrainingState::tensors and metrics.
  void save(TrainingState& state) const;
  void load(const TrainingState& state);

 private:
  struct Kept {
    std::string name;
    WeightAverage average;
  };
  AveragesOptions options_;
  std::vector<Kept> kept_;
};

}  // namespace striate

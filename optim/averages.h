#pragma once
// The averages of weights that a run keeps beside its weights: an exponential moving average over steps (EMA), and an
// equal one over epochs (stochastic weight averaging, SWA). Called by training loops; read optim/weight_average.h next.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/module.h"
#include "optim/checkpoint.h"
#include "optim/weight_average.h"

namespace striate {

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

  /// Calls `body` while the model has the average's values, buffers included; what it writes into buffers stays
  /// with the average. What it throws is passed on, with the model's own values back. Does nothing, and returns false,
  /// where nothing has been averaged yet.
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

#pragma once
// --ema and --swa-from: averages of the weights beside the weights.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/train_options.h"
#include "core/module.h"
#include "optim/averaging.h"
#include "optim/checkpoint.h"

namespace striate::cli {

class Averages {
 public:
  static constexpr const char* kEma = "ema";
  static constexpr const char* kSwa = "swa";

  /// Make it after the model has its first values.
  Averages(const TrainOptions& options, const Module& model);

  /// Of the run's averages.
  [[nodiscard]] std::vector<std::string> names() const;

  void after_update();
  /// `epoch` counts from 0. Repeating it, as a run does that was interrupted between this and the epoch's
  /// checkpoint, changes nothing.
  void after_epoch(std::int64_t epoch);

  /// Calls `body` while the model has the average's values, buffers included; what it writes into buffers stays
  /// with the average. Does nothing, and returns false, where nothing has been averaged yet.
  bool with(const std::string& name, const std::function<void()>& body);

  void save(TrainingState& state) const;
  void load(const TrainingState& state);

 private:
  struct Kept {
    std::string name;
    WeightAverage average;
  };
  double decay_;
  std::int64_t swa_from_;
  std::vector<Kept> kept_;
};

/// The running statistics of all batch norms in training mode become the plain averages over these batches, as
/// PyTorch's update_bn does it. `next` gives a batch of images, undefined after the last. Draws of the generator
/// are undone.
void update_batch_norm(Layer& model, const std::function<Tensor()>& next);

}  // namespace striate::cli

#pragma once
// What becomes of gradients: unscaled, clipped, stepped with, or left out.

#include <optional>
#include <string>

#include "apps/cli/train_options.h"
#include "core/module.h"
#include "optim/checkpoint.h"
#include "optim/loss_scaler.h"
#include "optim/sgd.h"

namespace striate::cli {

/// SGD with --clip-norm and --loss-scale around it.
class Update {
 public:
  /// Make it after the model has its first values. Throws UsageError as build_optimizer.
  Update(const TrainOptions& options, Layer& model);

  [[nodiscard]] Sgd& optimizer() { return optimizer_; }

  /// Clears the gradients; the next update is at this rate.
  void begin(double learning_rate);
  /// The loss is multiplied by this on its way back.
  [[nodiscard]] double loss_scale() const { return scaler_ ? scaler_->scale() : 1; }
  /// The update. With a loss scale, one whose gradients are not finite is left out, as GradScaler does.
  void apply();

  /// Whether so many updates were left out in a row, or the scale has fallen so low, that no scale helps.
  [[nodiscard]] bool collapsed() const;
  /// "loss scale 32768 (2 updates left out)"; empty without one.
  [[nodiscard]] std::string describe() const;

  void save(TrainingState& state) const;
  void load(const TrainingState& state);

 private:
  Layer& model_;
  double clip_norm_;
  bool dynamic_ = false;
  Sgd optimizer_;
  std::vector<NamedTensor> trained_;
  std::optional<LossScaler> scaler_;
  double left_out_ = 0;
  double left_out_in_a_row_ = 0;
};

}  // namespace striate::cli

#pragma once
// Trainer: a whole training run of a model on a data set, with evaluation after every epoch, checkpoints, and bit-exact
// resumption. Used by `striate train` and by programs of one's own (apps/examples/trainer.cpp); a loop written
// by hand is in apps/examples/custom_model.cpp. Read apps/training/options.h next.
//
//   manual_seed(1);
//   Net model;
//   Trainer trainer(model, train, test, {.epochs = 10, .out = RunFolder("runs/mine")});
//   trainer.on_epoch([](const EpochResult& e) { std::printf("%.2f%%\n", 100 * e.test.accuracy); });
//   trainer.run();
//
// To fine-tune, call init_from (models/weights.h) before the Trainer is made.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/training/diverged.h"
#include "apps/training/evaluate.h"
#include "apps/training/options.h"
#include "apps/training/record.h"
#include "apps/training/stepper.h"
#include "core/module.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "optim/averages.h"
#include "optim/optimizer.h"

namespace striate {

/// Where a run is after a step.
struct StepResult {
  std::int64_t step = 0;   ///< steps taken in the run
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::int64_t batch = 0;    ///< batches taken in the epoch
  std::int64_t batches = 0;  ///< of the epoch
  double loss = 0;           ///< the mean over the step's images
  double learning_rate = 0;
  RunningMetrics metrics{};  ///< of the epoch so far
};

/// What an epoch gave, beside where the run is at its end.
struct EpochResult : StepResult {
  Evaluation test{};  ///< of the validation images where there are no test images
  std::optional<Evaluation> validation = std::nullopt;
  BestEpoch best{};  ///< by the validation images; it may be this one
  /// The test figures of each average of the weights that has begun: "ema", "swa".
  std::vector<std::pair<std::string, Evaluation>> averages{};
  std::string loss_scale{};  ///< "loss scale 32768, skipped steps: 2"; empty without one
};

enum class Ending : std::uint8_t { finished, patience, max_steps, stopped };

class Trainer {
 public:
  /// Converts the model to the precision, puts it in training mode, and what options.groups freezes in eval mode; makes
  /// the optimiser that options.optimizer names. With options.resume and a checkpoint, everything is as it was then.
  /// The model must outlive the Trainer; manual_seed() before the model is made fixes the run. With options.validation
  /// there may be no test images (a Dataset without tensors). Throws
  /// std::invalid_argument and ShapeError for options and data that do not fit, FileError for the folder.
  Trainer(Layer& model, const Dataset& train, Dataset test, const TrainerOptions& options = {});
  /// With an optimiser made for this model, which has the precision already.
  Trainer(Layer& model, std::unique_ptr<Optimizer> optimizer, const Dataset& train, Dataset test,
          TrainerOptions options = {});

  /// Called after every step.
  void on_step(std::function<void(const StepResult&)> hook) { step_hooks_.push_back(std::move(hook)); }
  /// Called after every epoch's evaluation and before it is saved: again, with the same result, where the run is
  /// killed in between and resumed.
  void on_epoch(std::function<void(const EpochResult&)> hook) { epoch_hooks_.push_back(std::move(hook)); }
  /// Called after all of an epoch has been written: metrics.csv has its line, and the files their weights.
  void on_saved(std::function<void()> hook) { saved_hooks_.push_back(std::move(hook)); }

  /// Trains to the end of the run, out of patience, to max_steps, or until options.stop says so; then all is saved, and
  /// a Trainer of the same options with resume continues as if there had been no stop. Throws DivergedError, after
  /// which the last checkpoint is kept, FileError, and what hooks throw.
  Ending run();

  /// What the user should know before the run, a sentence each: a folder that cannot be locked, a schedule that
  /// the run does not get to, a checkpoint that another build wrote.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Where the run is: at step 0 where there was no checkpoint to resume from.
  [[nodiscard]] StepResult progress() const;

 private:
  /// The validation figures where there are such images, the test figures likewise, then those of each average, as far
  /// as there are any.
  using Figures = std::vector<std::optional<Evaluation>>;

  void resume();
  Ending run_epoch();
  void train_step();
  [[nodiscard]] std::optional<Evaluation> evaluated(const Dataset& images);
  std::optional<Figures> test();
  void refresh_batch_norm();
  void finish_epoch(const Figures& figures);
  [[nodiscard]] bool out_of_patience() const;
  /// Whether the model is as it was at the end of the best epoch.
  [[nodiscard]] bool at_best() const;
  void save();

  TrainerOptions options_;
  Layer& model_;
  Dataset test_;
  Loader loader_;
  std::int64_t images_;  // of an epoch
  ScheduleOptions schedule_;
  std::unique_ptr<Optimizer> optimizer_;
  TrainingState state_;
  RunningMetrics running_;
  Stepper stepper_;
  Averages averages_;
  Record record_;
  std::vector<std::string> warnings_;
  std::vector<std::function<void(const StepResult&)>> step_hooks_;
  std::vector<std::function<void(const EpochResult&)>> epoch_hooks_;
  std::vector<std::function<void()>> saved_hooks_;
};

}  // namespace striate

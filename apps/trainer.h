#pragma once
// The training loop of `striate train`: steps, epochs, checkpoints and what they print.

#include <spdlog/logger.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/metrics.h"
#include "apps/progress.h"
#include "apps/run_folder.h"
#include "apps/train_options.h"
#include "apps/weights.h"
#include "data/loader.h"
#include "optim/checkpoint.h"
#include "optim/sgd.h"

namespace striate::apps {

/// The loss, or a value of the model, is no longer finite; what() names the step, the learning rate and the
/// layer.
class DivergedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Ending : std::uint8_t { finished, max_steps, interrupted };

class Trainer {
 public:
  /// `text` is kept in every checkpoint: the run's config.toml and what tells its data from others.
  Trainer(const TrainOptions& options, RunFiles files, std::map<std::string, std::string> text, spdlog::logger& log,
          const Dataset& train, Dataset test);

  /// Goes on from the run's checkpoint.
  void resume();
  /// Trains to the end of the run, to --max-steps, or until interrupted. Throws DivergedError and FileError;
  /// the last checkpoint stays.
  Ending run();

 private:
  enum class EpochEnd : std::uint8_t { complete, max_steps, interrupted };

  [[nodiscard]] LoaderOptions loader_options() const;
  [[nodiscard]] ModelCard card(const Dataset& dataset) const;
  [[nodiscard]] bool steps_used_up() const;
  [[nodiscard]] ProgressState progress_state() const;
  EpochEnd run_epoch();
  void train_step(const Batch& batch);
  void finish_epoch(const Evaluation& test);
  void cut_short();
  void save();
  void save_if_due();
  void save_weights_file();
  void append_row(const std::optional<Evaluation>& test);
  [[noreturn]] void diverged(const std::string& what);
  void check_finite();

  TrainOptions options_;
  RunFiles files_;
  spdlog::logger& log_;
  Precision precision_;
  Dataset test_;
  ModelCard card_;
  Loader loader_;
  ScheduleOptions schedule_;
  std::unique_ptr<Layer> model_;
  Sgd optimizer_;
  TrainingState state_;
  RunningMetrics running_;
  double learning_rate_ = 0;
  std::string metrics_text_;
  Tensor last_images_;
  Progress progress_;
  std::chrono::steady_clock::time_point last_save_;
};

}  // namespace striate::apps

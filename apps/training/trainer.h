#pragma once
// The training loop of `striate train`: steps, epochs, checkpoints and what they print.

#include <spdlog/logger.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/cli/progress.h"
#include "apps/cli/train_options.h"
#include "apps/cli/train_parts.h"
#include "apps/training/metrics.h"
#include "apps/training/objective.h"
#include "apps/training/run_folder.h"
#include "data/loader.h"
#include "optim/averages.h"
#include "optim/checkpoint.h"
#include "optim/update.h"

namespace striate::cli {

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
  /// The plain figures, then those of each average, as far as there are any.
  using Tests = std::vector<std::optional<Evaluation>>;

  [[nodiscard]] bool steps_used_up() const;
  [[nodiscard]] std::int64_t images_in_update() const;
  [[nodiscard]] ProgressState progress_state() const;
  EpochEnd run_epoch();
  void train_step();
  void add_gradient(const Batch& batch, double share);
  std::optional<Tests> test();
  void refresh_batch_norm();
  void finish_epoch(const Tests& tests);
  void cut_short();
  void save();
  void save_if_due();
  void save_weights_files();
  void append_row(const Tests& tests);
  [[noreturn]] void diverged(const std::string& what, const std::string& otherwise);
  void check_finite();

  TrainOptions options_;
  RunFiles files_;
  spdlog::logger& log_;
  Precision precision_;
  Dataset test_;
  ModelCard card_;
  std::int64_t train_size_;
  Loader loader_;
  ScheduleOptions schedule_;
  StartingModel start_;
  Layer& model_;
  Objective objective_;
  std::unique_ptr<Optimizer> optimizer_;
  Update update_;
  Averages averages_;
  TrainingState state_;
  RunningMetrics running_;
  double learning_rate_ = 0;
  std::string metrics_text_;
  Tensor last_images_;
  Progress progress_;
  std::chrono::steady_clock::time_point last_save_;
};

}  // namespace striate::cli

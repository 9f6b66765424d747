#pragma once
// What a training run leaves in its folder: the checkpoint that it resumes from, metrics.csv, and the weights. Called
// by Trainer; read optim/checkpoint.h next.

#include <chrono>
#include <optional>
#include <string>

#include "apps/training/metrics.h"
#include "apps/training/run_folder.h"
#include "core/module.h"
#include "models/model_card.h"
#include "optim/averages.h"
#include "optim/checkpoint.h"
#include "optim/update.h"

namespace striate {

/// All that changes from step to step.
struct RunState {
  TrainingState training;
  RunningMetrics running{};  ///< of the epoch so far
  double learning_rate = 0;  ///< the last step's
};

class Record {
 public:
  /// Without a folder nothing is written.
  Record(std::optional<RunFolder> folder, ModelCard card, const std::vector<std::string>& averages);

  /// Everything between two steps, to the checkpoint and back. Both throw FileError.
  void save(RunState& state, const Update& update, const Averages& averages);
  void load(RunState& state, Update& update, Averages& averages);
  [[nodiscard]] bool older_than(double minutes) const;

  /// Adds a line to metrics.csv, which is written by write_metrics() and kept in the checkpoint.
  void add_row(const std::string& row) { metrics_ += row; }
  void write_metrics() const;
  /// A row in the file alone: a resumed run writes a whole one in its place.
  void write_metrics_with(const std::string& row) const;

  /// weights.safetensors, and a file for each average that has begun.
  void save_weights(const Module& model, Averages& averages) const;

  /// "The last good checkpoint is kept: PATH."
  [[nodiscard]] std::string what_is_kept() const;

 private:
  std::optional<RunFolder> folder_;
  ModelCard card_;
  std::string metrics_;
  std::chrono::steady_clock::time_point last_save_ = std::chrono::steady_clock::now();
};

}  // namespace striate

#pragma once
// What a training run leaves in its folder: the checkpoint that it resumes from, metrics.csv, and the weights. Called
// by Trainer; read optim/checkpoint.h next.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "apps/training/evaluate.h"
#include "apps/training/run_folder.h"
#include "apps/training/stepper.h"
#include "core/module.h"
#include "models/model_card.h"
#include "optim/averages.h"
#include "optim/checkpoint.h"
#include "optim/update.h"

namespace striate {

/// The epoch with the highest validation accuracy (for segmentation, mean IoU), the first of several.
struct BestEpoch {
  std::int64_t epoch = 0;  ///< from 1; 0: none yet
  double accuracy = -1;
};

class Record {
 public:
  /// Without a folder nothing is written. In metrics.csv each of `figures` has columns: test_loss, test_accuracy and
  /// test_top5, for segmentation test_miou, for "test".
  Record(std::optional<RunFolder> folder, ModelCard card, const std::vector<std::string>& figures, bool segmentation);

  /// Everything between two steps, to the checkpoint and back. Both throw FileError.
  void save(TrainingState& state, const RunningMetrics& running, const Update& update, const Averages& averages);
  void load(TrainingState& state, RunningMetrics& running, Update& update, Averages& averages);
  [[nodiscard]] bool older_than(double minutes) const;

  /// A line of metrics.csv with what there is of the figures.
  static std::string row(const TrainingState& state, const RunningMetrics& running,
                         const std::vector<std::optional<Evaluation>>& figures);
  /// Adds a line to those that the checkpoint keeps and write_metrics() writes.
  void add_row(const std::string& row) { metrics_ += row; }
  /// `unkept` is a row in the file alone: a resumed run writes a whole one in its place.
  void write_metrics(const std::string& unkept = "") const;

  /// What the best epoch is after this one.
  void note_validation(std::int64_t epoch, double accuracy);
  [[nodiscard]] const BestEpoch& best() const { return best_; }

  /// weights.safetensors, a file for each average that has begun, and weights_best.safetensors where the model is that
  /// of the best epoch's end.
  void save_weights(const Module& model, Averages& averages, bool best) const;

  /// "The last good checkpoint is kept: PATH."
  [[nodiscard]] std::string what_is_kept() const;

 private:
  std::optional<RunFolder> folder_;
  ModelCard card_;
  std::string metrics_;
  BestEpoch best_;
  std::chrono::steady_clock::time_point last_save_ = std::chrono::steady_clock::now();
};

}  // namespace striate

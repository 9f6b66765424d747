#pragma once
// What `striate train --tensorboard` writes into the run's folder at every epoch's end. Read
// apps/training/event_file.h next.

#include "apps/training/event_file.h"
#include "apps/training/trainer.h"
#include "core/module.h"
#include "data/splits.h"

namespace striate::cli {

class TensorBoard {
 public:
  /// `start` is where the run is before it goes on. The first file of a folder begins with some of the pictures that
  /// the run is measured on. The model outlives this. Throws FileError.
  TensorBoard(const RunFiles& files, const StepResult& start, const Module& model, const Splits& data);

  /// Scalars by the names of metrics.csv, "loss/test", a histogram of every parameter, the first layer's filters.
  void add(const EpochResult& epoch);

 private:
  EventFile events_;
  const Module& model_;
  bool has_test_;
};

}  // namespace striate::cli

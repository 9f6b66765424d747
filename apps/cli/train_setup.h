#pragma once
// What the flags of a training run make: its data, its model, and the options of its Trainer. Called by
// apps/cli/train.cpp; the values that are read here are checked by apps/cli/train_flags.cpp, too.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/train_flags.h"
#include "apps/training/options.h"
#include "core/module.h"
#include "core/named_options.h"
#include "data/loader.h"
#include "data/splits.h"
#include "data/transform.h"
#include "models/weights.h"
#include "optim/update.h"

namespace striate::cli {

/// --loss-scale: "dynamic", a number above 0 (a fixed scale), or "automatic", which leaves it to the Trainer.
/// Throws UsageError.
std::optional<LossScalerOptions> loss_scale_of(const std::string& text);

/// The epochs in --milestones. Throws UsageError.
std::vector<std::int64_t> milestones_of(const std::string& text);

/// --transform. Throws UsageError.
Transforms transforms_of(const std::string& text);

/// --optimizer with the flags that stand for its options: "sgd:momentum=0.9,nesterov=true". Throws UsageError for what
/// the optimiser refuses, and for an option that is set twice.
std::string optimizer_of(const TrainFlags& flags);

/// The options in --model and those that flags stand for. Throws UsageError for one that is set twice.
NamedOptions model_options(const TrainFlags& flags);

/// --data with --dataset, --classes, --mean and --std, the transforms of --augment and --image-size, and for the
/// training set --per-class. Throws UsageError, FileError.
Splits load_data(const TrainFlags& flags);
/// How it is read.
DataOptions data_options(const TrainFlags& flags);

/// How batches are made of the training images.
LoaderOptions loader_options(const TrainFlags& flags, const Dataset& train);

struct StartingModel {
  std::unique_ptr<Layer> model;
  InitResult init = {};  ///< of --init
};

/// The model in the run's precision; with its first values by --init or --whiten, unless the run is resumed and its
/// checkpoint has them. Throws UsageError and FileError.
StartingModel starting_model(const TrainFlags& flags, const Dataset& train, bool resuming);

/// All but the folder. Loads the teacher; `notes` gets what the user should know of it, a line each. Throws UsageError
/// for flags that do not fit the model or the data, FileError.
TrainerOptions trainer_options(const TrainFlags& flags, Module& model, const Dataset& train,
                               std::vector<std::string>& notes);

}  // namespace striate::cli

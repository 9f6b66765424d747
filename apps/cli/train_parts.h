#pragma once
// What the flags of a training run make of its parts: data, schedule, model, optimiser.

#include <memory>
#include <string>
#include <vector>

#include "apps/cli/train_options.h"
#include "core/module.h"
#include "core/precision.h"
#include "data/loader.h"
#include "models/weights.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

namespace striate::cli {

/// --classes and, for the training set, --per-class. Throws UsageError.
Dataset chosen_data(const TrainOptions& options, Dataset dataset, Split split);

LoaderOptions loader_options(const TrainOptions& options);

/// The epochs in --milestones. Throws UsageError.
std::vector<std::int64_t> milestones_of(const std::string& text);

/// The schedule of a run on so many images, 1 or more. Throws std::invalid_argument, UsageError.
ScheduleOptions schedule_of(const TrainOptions& options, std::int64_t images);

/// What is said about the weights of this run's model.
ModelCard card_of(const TrainOptions& options, const Dataset& dataset);

struct StartingModel {
  std::unique_ptr<Layer> model;
  std::string skipped_head;  ///< what --init left as it was; empty for nothing
};

/// The model with its first values, by --init or --whiten. Throws UsageError and FileError.
StartingModel build_model(const TrainOptions& options, const Dataset& train);

/// Puts the model in training mode, what is frozen aside.
void set_training(const TrainOptions& options, Module& model);

/// Throws UsageError where --freeze, --head-lr or --norm-lr-scale does not fit the model.
std::unique_ptr<Optimizer> build_optimizer(const TrainOptions& options, Module& model);

}  // namespace striate::cli

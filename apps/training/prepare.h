#pragma once
// What comes before the first step: the model in its precision and mode, its optimiser, and how many images a step has.
// Called by Trainer and range_test; the steps are in apps/training/stepper.h.

#include <cstdint>
#include <memory>

#include "apps/training/options.h"
#include "core/module.h"
#include "data/loader.h"
#include "optim/optimizer.h"

namespace striate {

/// Converts the model to the precision and puts it in training mode; what options.groups freezes, and the teacher, in
/// eval mode.
void prepare_for_training(Layer& model, const TrainerOptions& options);

/// Prepares the model, and makes the optimiser that options.optimizer names.
std::unique_ptr<Optimizer> optimizer_for(Layer& model, const TrainerOptions& options);

/// Of a training set of so many images: all but what drop_last leaves out. Throws std::invalid_argument where that is
/// all of them.
std::int64_t images_an_epoch(const Loader& loader, const LoaderOptions& options, std::int64_t images);

/// Of the update that begins with batch `position` of an epoch of so many images; the last one takes what is left.
std::int64_t images_of_update(const TrainerOptions& options, std::int64_t images_an_epoch, std::int64_t position);

}  // namespace striate

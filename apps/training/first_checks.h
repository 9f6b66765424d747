#pragma once
// What would stop or spoil a run later, and can be told before its first step. Called by Trainer.

#include <cstddef>
#include <string>
#include <vector>

#include "apps/training/options.h"
#include "core/module.h"
#include "data/dataset.h"
#include "optim/optimizer.h"

namespace striate {

/// Throws std::invalid_argument for options out of range, and for training and test sets that do not belong together.
void check_options(const TrainerOptions& options, const Dataset& train, const Dataset& test);

/// What the classes of the data make doubtful, a sentence each: those without an image in one of the sets, and a single
/// one.
std::vector<std::string> class_doubts(const Dataset& train, const Dataset& test);

/// Sends one black image through the model in eval mode, and through the teacher. Throws ShapeError where one of them
/// cannot take the images, std::invalid_argument where it has other outputs than there are classes, and where the last
/// batch of an epoch is a single image and a batch norm would see one value a channel. Changes no module, and draws of
/// the generator are undone.
void check_network(Layer& model, const Dataset& train, const TrainerOptions& options);

/// Throws FileError where the disk has less room than the first two checkpoints and the weights will need: a checkpoint
/// is written beside the one that it replaces. `averages` of the weights are kept.
void check_disk_space(const RunFiles& files, const Module& model, const Optimizer& optimizer, std::size_t averages);

}  // namespace striate

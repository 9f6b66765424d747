#pragma once
// What a training run is made of, for Trainer (apps/training/trainer.h). apps/examples/trainer.cpp is a program that
// fills it in; apps/cli/train_setup.cpp fills it in from flags.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apps/training/run_folder.h"
#include "core/module.h"
#include "core/precision.h"
#include "data/loader.h"
#include "layers/cross_entropy.h"
#include "models/model_card.h"
#include "optim/averages.h"
#include "optim/groups.h"
#include "optim/schedule.h"
#include "optim/update.h"

namespace striate {

/// "Distilling the Knowledge in a Neural Network", Hinton et al. 2015: see layers/distillation.h.
struct DistillationOptions {
  std::shared_ptr<Layer> teacher = nullptr;  ///< of the same classes; null: no distillation
  DType activations = DType::f32;            ///< of the images as the teacher takes them
  double temperature = 20;
  double weight = 1;  ///< of distillation_loss beside the loss itself
};

struct ObjectiveOptions {
  double label_smoothing = 0;
  SmoothingForm smoothing_form = SmoothingForm::pytorch;
  Tensor class_weights = {};  ///< (K): a factor for each class in the loss of training; undefined: all are 1
  DistillationOptions distillation = {};
};

struct TrainerOptions {
  std::int64_t epochs = 30;
  std::int64_t max_steps = 0;  ///< stop after so many updates of the run; 0: at its end

  /// Held out of the training images (hold_out, data/splits.h) to choose by: evaluated after every epoch, and the
  /// weights of the epoch with the best accuracy are kept. No tensors: nothing is chosen.
  Dataset validation = {};
  std::int64_t patience = 0;  ///< epochs without a better validation accuracy before the run ends; 0: it does not

  // Data and objective.
  LoaderOptions loader = {};        ///< batch size, seed, augmentation, transforms, mixing, workers; the dtype is set
  ObjectiveOptions objective = {};  ///< label smoothing, distillation

  // Updates.
  std::string optimizer = "sgd:momentum=0.9,nesterov=true";  ///< by name, as make_optimizer (optim/registry.h) knows it
  GroupOptions groups = {};       ///< weight decay, what is frozen, factors on rates; the rate itself is the schedule's
  std::int64_t accumulate = 1;    ///< batches an update; all counts of steps are of updates
  double clip_norm = 0;           ///< clips the gradient's total L2 norm; 0: off
  AveragesOptions averages = {};  ///< EMA and SWA of the weights, tested and saved beside them

  // Learning rate.
  ScheduleOptions schedule = {.kind = "cosine"};  ///< its counts of steps are worked out
  double warmup_epochs = 0;                       ///< of linear warmup from 0
  std::int64_t base_batch_size = 0;               ///< rates grow by an update's images / base_batch_size; 0: they stay

  // Numbers.
  Precision precision = {};
  std::optional<LossScalerOptions> loss_scale = std::nullopt;  ///< none: dynamic for fp16, off for the others

  // What is kept.
  std::optional<RunFolder> out = std::nullopt;   ///< none: nothing is written
  bool resume = false;                           ///< resume from the checkpoint in `out`, or begin where there is none
  double checkpoint_minutes = 10;                ///< how often to save within an epoch
  ModelCard card = {};                           ///< the model's name and options; the rest is filled in
  std::map<std::string, std::string> text = {};  ///< goes into every checkpoint (optim/checkpoint.h)

  /// Asked between updates and between batches of an evaluation; where it says yes, the run is saved and ends.
  std::function<bool()> stop = [] { return false; };
};

/// The schedule of a run on so many images an epoch, 1 or more, counted in updates.
ScheduleOptions schedule_in_steps(const TrainerOptions& options, std::int64_t images);

/// (median count / count)^power for each class of a data set, by class_counts (data/dataset.h): power 1 is median
/// frequency balancing (Eigen and Fergus, 2015, with frequencies over all pixels), 0 leaves all classes at 1. A class
/// without an image or pixel has 1. f64 (K).
Tensor balanced_class_weights(const Dataset& dataset, double power);

/// The options that change results, a line each: a resumed run must have the same.
std::string result_options(const TrainerOptions& options);

}  // namespace striate

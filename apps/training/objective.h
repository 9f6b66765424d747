#pragma once
// What a training run minimises. Called by apps/training/stepper.h for every batch.

#include <memory>

#include "core/module.h"
#include "data/loader.h"
#include "layers/cross_entropy.h"

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
  DistillationOptions distillation = {};
};

/// Cross entropy, and distillation where there is a teacher.
class Objective {
 public:
  /// Puts the teacher in eval mode.
  explicit Objective(ObjectiveOptions options);

  /// The mean loss over a batch. The teacher sees the same images as the model did.
  [[nodiscard]] Tensor loss(const Tensor& logits, const Batch& batch) const;

 private:
  ObjectiveOptions options_;
};

}  // namespace striate

#include "apps/training/objective.h"

#include <spdlog/fmt/fmt.h>

#include "apps/cli/command_line.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/joined.h"
#include "layers/distillation.h"

namespace striate::cli {

Objective::Objective(const TrainOptions& options, const std::vector<std::string>& class_names)
    : cross_entropy_{.label_smoothing = options.label_smoothing,
                     .form = options.label_smoothing_form == "paper" ? SmoothingForm::paper : SmoothingForm::pytorch},
      temperature_(options.temperature),
      distill_weight_(options.distill_weight) {
  if (options.teacher.empty()) return;
  teacher_ = load_weights(options.teacher, {.precision = options.precision});
  if (teacher_->card.class_names != class_names) {
    throw UsageError(fmt::format("--teacher {} was trained on other classes ({}) than these images have ({})",
                                 options.teacher, joined(teacher_->card.class_names), joined(class_names)));
  }
}

Tensor Objective::loss(const Tensor& logits, const Batch& batch) {
  const Tensor loss = cross_entropy(logits, batch.targets.defined() ? batch.targets : batch.labels, cross_entropy_);
  if (!teacher_) return loss;
  Tensor answer;
  {
    const NoGradGuard no_grad;
    answer = (*teacher_->model)(as_input(batch.images, teacher_->precision.activations));
  }
  return loss + distill_weight_ * distillation_loss(logits, answer, temperature_);
}

}  // namespace striate::cli

#include "apps/training/objective.h"

#include <utility>

#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "layers/distillation.h"

namespace striate {

Objective::Objective(ObjectiveOptions options) : options_(std::move(options)) {
  if (options_.distillation.teacher) options_.distillation.teacher->eval();
}

Tensor Objective::loss(const Tensor& logits, const Batch& batch) const {
  const Tensor loss = cross_entropy(logits, batch.targets.defined() ? batch.targets : batch.labels,
                                    {.label_smoothing = options_.label_smoothing, .form = options_.smoothing_form});
  const DistillationOptions& distillation = options_.distillation;
  if (!distillation.teacher) return loss;
  Tensor answer;
  {
    const NoGradGuard no_grad;
    answer = (*distillation.teacher)(as_input(batch.images, distillation.activations));
  }
  return loss + distillation.weight * distillation_loss(logits, answer, distillation.temperature);
}

}  // namespace striate

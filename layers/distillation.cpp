#include "layers/distillation.h"

#include <cmath>

#include "core/check.h"
#include "core/elementwise.h"
#include "layers/cross_entropy.h"
#include "layers/softmax.h"

namespace striate {

Tensor distillation_loss(const Tensor& student_logits, const Tensor& teacher_logits, double temperature) {
  if (student_logits.rank() != 2 || student_logits.shape() != teacher_logits.shape()) {
    shape_error("distillation_loss", "logits must be (N,K) of both: student " + to_string(student_logits.shape()) +
                                         ", teacher " + to_string(teacher_logits.shape()));
  }
  expect(std::isfinite(temperature) && temperature > 0, "distillation_loss", "a finite temperature above 0",
         temperature);
  // Low precisions widen before they are divided, so that nothing is rounded twice.
  const auto cooled = [&](const Tensor& logits) {
    return affine(cast(logits, parameter_dtype(logits.dtype())), 1 / temperature);
  };
  const Tensor answers = softmax(cooled(teacher_logits.detach()));
  return affine(cross_entropy(cooled(student_logits), answers), temperature * temperature);
}

}  // namespace striate

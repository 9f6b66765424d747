#include "apps/training/evaluate.h"

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/module.h"
#include "data/loader.h"
#include "layers/cross_entropy.h"

namespace striate {

Tensor as_input(const Tensor& images, DType activations) {
  return images.dtype() == activations ? images : cast(images, activations);
}

std::optional<Evaluation> evaluate(Layer& model, const Dataset& dataset, const EvaluateOptions& options) {
  const EvalGuard eval(model);
  const NoGradGuard no_grad;
  LoaderOptions batches;
  batches.batch_size = options.batch_size;
  batches.shuffle = false;
  batches.dtype = options.activations == DType::f64 ? DType::f64 : DType::f32;
  Loader loader(dataset, batches);
  loader.start_epoch(0);
  double loss = 0;
  std::int64_t correct = 0;
  for (Batch batch; loader.next(batch);) {
    if (options.stop()) return std::nullopt;
    const Tensor images = as_input(batch.images, options.activations);
    const Tensor logits = options.tta.any() ? tta_logits(model, images, options.tta) : model(images);
    loss += cross_entropy(logits, batch.labels, {.reduction = Reduction::sum}).item();
    correct += count_correct(logits, batch.labels);
  }
  const auto images = static_cast<double>(dataset.size());
  return Evaluation{loss / images, static_cast<double>(correct) / images};
}

}  // namespace striate

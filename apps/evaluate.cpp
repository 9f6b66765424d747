#include "apps/evaluate.h"

#include "core/autograd.h"
#include "core/elementwise.h"
#include "data/loader.h"
#include "layers/cross_entropy.h"

namespace striate::apps {
namespace {

class EvalMode {
 public:
  explicit EvalMode(Module& model) : model_(model), before_(model.training()) { model_.eval(); }
  ~EvalMode() { model_.train(before_); }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;
  EvalMode(EvalMode&&) = delete;
  EvalMode& operator=(EvalMode&&) = delete;

 private:
  Module& model_;
  bool before_;
};

}  // namespace

Tensor as_input(const Tensor& images, DType activations) {
  return images.dtype() == activations ? images : cast(images, activations);
}

std::optional<Evaluation> evaluate(Layer& model, const Dataset& dataset, DType activations, std::int64_t batch_size,
                                   const std::function<bool()>& stop) {
  const EvalMode mode(model);
  const NoGradGuard no_grad;
  LoaderOptions options;
  options.batch_size = batch_size;
  options.shuffle = false;
  options.dtype = activations == DType::f64 ? DType::f64 : DType::f32;
  Loader loader(dataset, options);
  loader.start_epoch(0);
  double loss = 0;
  std::int64_t correct = 0;
  for (Batch batch; loader.next(batch);) {
    if (stop()) return std::nullopt;
    const Tensor logits = model(as_input(batch.images, activations));
    loss += cross_entropy(logits, batch.labels, {.reduction = Reduction::sum}).item();
    correct += count_correct(logits, batch.labels);
  }
  const auto images = static_cast<double>(dataset.size());
  return Evaluation{loss / images, static_cast<double>(correct) / images};
}

}  // namespace striate::apps

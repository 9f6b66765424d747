#include "apps/training/stepper.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "apps/training/diverged.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "layers/distillation.h"

namespace striate {
namespace {

// "WHAT at step 12 (epoch 2)" and its like.
template <class... Parts>
std::string text_of(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

UpdateOptions update_options(const TrainerOptions& options) {
  UpdateOptions update{.clip_norm = options.clip_norm, .loss_scale = options.loss_scale};
  if (!update.loss_scale && options.precision.activations == DType::f16) update.loss_scale.emplace();
  return update;
}

bool is_labelled(std::int64_t label) { return label >= 0; }  // others are those of pixels that have no class

}  // namespace

Tensor objective(const ObjectiveOptions& options, const Tensor& logits, const Batch& batch) {
  CrossEntropyOptions loss_options{
      .label_smoothing = options.label_smoothing, .form = options.smoothing_form, .weight = options.class_weights};
  // A mean over no pixels would be NaN, and end the run.
  const auto labels = batch.labels.span<std::int64_t>();
  if (std::none_of(labels.begin(), labels.end(), is_labelled)) loss_options.reduction = Reduction::sum;
  const Tensor loss = cross_entropy(logits, batch.targets.defined() ? batch.targets : batch.labels, loss_options);
  const DistillationOptions& distillation = options.distillation;
  if (!distillation.teacher) return loss;
  const Tensor answer = [&] {
    const NoGradGuard no_grad;
    return (*distillation.teacher)(as_input(batch.images, distillation.activations));
  }();
  return loss + distillation.weight * distillation_loss(logits, answer, distillation.temperature);
}

Stepper::Stepper(Layer& model, TrainingState& state, RunningMetrics& running, const TrainerOptions& options)
    : model_(model),
      state_(state),
      running_(running),
      options_(options),
      update_(state.optimizer, model.parameters(), update_options(options)) {}

void Stepper::step(Loader& loader, std::int64_t images, double learning_rate, bool last) {
  running_.learning_rate = learning_rate;
  loss_ = 0;
  update_.begin(learning_rate);
  Batch batch;
  for (std::int64_t i = 0; i < options_.accumulate && loader.next(batch); ++i) {
    add_gradient(batch, static_cast<double>(batch.size()) / static_cast<double>(images));
    ++state_.position;
  }
  update_.apply();
  const bool all_skipped = update_.skipped() > static_cast<double>(state_.step);
  if (update_.collapsed() || (last && all_skipped)) {
    diverged(text_of("the gradients are not finite at step ", state_.step + 1, ": ", update_.describe()),
             "every layer's output is finite, so it is in the backward pass, or the loss scale is too large");
  }
  ++state_.step;
}

// `share` is the batch's part of the update's images.
void Stepper::add_gradient(const Batch& batch, double share) {
  last_images_ = as_input(batch.images, options_.precision.activations);
  const Generator drawn_before = state_.generator;
  const Tensor logits = model_(last_images_);
  const Tensor loss = objective(options_.objective, logits, batch);
  const double value = loss.item();
  if (!std::isfinite(value)) {
    state_.generator = drawn_before;
    diverged(text_of("the loss became ", value, " at step ", state_.step + 1, " (epoch ", state_.epoch + 1, ")"),
             "every layer's output is finite, so it is the loss itself");
  }
  loss.backward(Tensor::full({}, share * update_.loss_scale(), loss.dtype()));
  const auto size = static_cast<double>(batch.size());
  running_.loss_sum += value * size;
  const auto labels = batch.labels.span<std::int64_t>();
  const auto labelled = std::count_if(labels.begin(), labels.end(), is_labelled);
  const auto correct = static_cast<double>(count_correct(logits, batch.labels));
  running_.correct += size * correct / static_cast<double>(std::max<std::ptrdiff_t>(1, labelled));
  running_.images += size;
  loss_ += value * share;
}

void Stepper::check_finite() {
  const std::string name = first_not_finite(model_);
  if (name.empty()) return;
  diverged(text_of(name, " is not finite after step ", state_.step), "every layer's output is finite");
}

void Stepper::diverged(const std::string& what, const std::string& where_else) {
  throw DivergedError(text_of(what, " (learning rate ", running_.learning_rate, "); ",
                              where_not_finite(model_, last_images_, where_else)));
}

}  // namespace striate

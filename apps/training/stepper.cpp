#include "apps/training/stepper.h"

#include <cmath>
#include <sstream>

#include "apps/training/diverged.h"
#include "apps/training/evaluate.h"

namespace striate {
namespace {

// "WHAT at step 12 (epoch 2)" and its like.
template <class... Parts>
std::string text_of(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace

Stepper::Stepper(Layer& model, TrainingState& state, RunningMetrics& running, const Options& options)
    : model_(model),
      state_(state),
      running_(running),
      accumulate_(options.accumulate),
      activations_(options.activations),
      objective_(options.objective),
      update_(state.optimizer, model.parameters(), options.update) {}

void Stepper::step(Loader& loader, std::int64_t images, double learning_rate) {
  learning_rate_ = learning_rate;
  loss_ = 0;
  update_.begin(learning_rate);
  Batch batch;
  for (std::int64_t i = 0; i < accumulate_ && loader.next(batch); ++i) {
    add_gradient(batch, static_cast<double>(batch.size()) / static_cast<double>(images));
    ++state_.position;
  }
  update_.apply();
  if (update_.collapsed()) {
    diverged(text_of("the gradients are not finite at step ", state_.step + 1, ": ", update_.describe()),
             "every layer's output is finite, so it is in the backward pass");
  }
  ++state_.step;
}

// `share` is the batch's part of the update's images.
void Stepper::add_gradient(const Batch& batch, double share) {
  last_images_ = as_input(batch.images, activations_);
  const Generator drawn_before = state_.generator;
  const Tensor logits = model_(last_images_);
  const Tensor loss = objective_.loss(logits, batch);
  const double value = loss.item();
  if (!std::isfinite(value)) {
    state_.generator = drawn_before;
    diverged(text_of("the loss became ", value, " at step ", state_.step + 1, " (epoch ", state_.epoch + 1, ")"),
             "every layer's output is finite, so it is the loss itself");
  }
  loss.backward(Tensor::full({}, share * update_.loss_scale(), loss.dtype()));
  const auto size = static_cast<double>(batch.size());
  running_.loss_sum += value * size;
  running_.correct += static_cast<double>(count_correct(logits, batch.labels));
  running_.images += size;
  loss_ += value * share;
}

void Stepper::check_finite() {
  const std::string name = first_not_finite(model_);
  if (!name.empty())
    diverged(text_of(name, " is not finite after step ", state_.step), "every layer's output is finite");
}

void Stepper::diverged(const std::string& what, const std::string& where_else) {
  std::string where = where_else;
  if (last_images_.defined()) {
    const std::string layer = first_layer_not_finite(model_, last_images_);
    if (!all_finite(last_images_)) {
      where = "the batch of images itself is not finite";
    } else if (!layer.empty()) {
      where = "the first layer whose output is not finite is " + layer;
    }
  }
  throw DivergedError(text_of(what, " (learning rate ", learning_rate_, "); ", where,
                              ". Try a smaller learning rate, a warmup or gradient clipping."));
}

}  // namespace striate

#include "apps/trainer.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <utility>

#include "apps/diverged.h"
#include "apps/evaluate.h"
#include "apps/interrupt.h"
#include "core/file.h"
#include "layers/cross_entropy.h"
#include "models/registry.h"
#include "optim/clip.h"

namespace striate::apps {
namespace {

std::unique_ptr<Layer> build_model(const TrainOptions& options, const Precision& precision, std::int64_t classes) {
  auto model = make_model(
      options.model, {.width_multiplier = options.width_multiplier, .classes = classes, .dropout = options.dropout});
  model->to(precision.parameters);
  if (!options.init.empty()) init_from(options.init, *model);
  return model;
}

Sgd build_optimizer(const TrainOptions& options, const Module& model) {
  SgdOptions sgd;
  sgd.lr = options.lr;
  sgd.momentum = options.momentum;
  sgd.weight_decay = options.weight_decay;
  sgd.nesterov = options.nesterov && options.momentum > 0;
  return options.no_bias_decay ? Sgd(split_decay(model, sgd)) : Sgd(model.parameters(), sgd);
}

}  // namespace

Trainer::Trainer(const TrainOptions& options, RunFiles files, std::map<std::string, std::string> text,
                 spdlog::logger& log, const Dataset& train, Dataset test)
    : options_(options),
      files_(std::move(files)),
      log_(log),
      precision_(precision_of(options.precision)),
      test_(std::move(test)),
      card_(card(train)),
      loader_(train, loader_options()),
      schedule_(schedule_of(options, loader_.batches_per_epoch())),
      model_(build_model(options, precision_, train.classes())),
      optimizer_(build_optimizer(options, *model_)),
      state_{.model = *model_, .optimizer = optimizer_},
      metrics_text_(metrics_header()),
      last_save_(std::chrono::steady_clock::now()) {
  state_.text = std::move(text);
}

LoaderOptions Trainer::loader_options() const {
  LoaderOptions loader;
  loader.batch_size = options_.batch_size;
  loader.shuffle = !options_.no_shuffle;
  loader.seed = options_.seed;
  if (options_.augment == "standard") loader.augment = AugmentOptions::standard();
  loader.augment.cutout = options_.cutout;
  loader.mixup = options_.mixup;
  loader.dtype = precision_.parameters;
  loader.workers = options_.workers;
  return loader;
}

ModelCard Trainer::card(const Dataset& dataset) const {
  return {.model = options_.model,
          .width_multiplier = options_.width_multiplier,
          .class_names = dataset.class_names,
          .precision = options_.precision,
          .height = dataset.images.size(1),
          .width = dataset.images.size(2)};
}

bool Trainer::steps_used_up() const { return options_.max_steps > 0 && state_.step >= options_.max_steps; }

ProgressState Trainer::progress_state() const {
  return {.epoch = state_.epoch,
          .epochs = options_.epochs,
          .batch = state_.position,
          .batches = loader_.batches_per_epoch(),
          .metrics = running_,
          .learning_rate = learning_rate_};
}

void Trainer::resume() {
  load_checkpoint(files_.checkpoint(), state_);
  running_ = {.loss_sum = state_.metrics.at("loss_sum"),
              .correct = state_.metrics.at("correct"),
              .images = state_.metrics.at("images"),
              .seconds = state_.metrics.at("seconds")};
  learning_rate_ = state_.metrics.at("learning_rate");
  metrics_text_ = state_.text.at("metrics.csv");
  write_atomically(files_.metrics(), metrics_text_);
  log_.info("resumed at epoch {}/{}, batch {}/{} (step {})", std::min(state_.epoch + 1, options_.epochs),
            options_.epochs, state_.position, loader_.batches_per_epoch(), state_.step);
}

Ending Trainer::run() {
  while (state_.epoch < options_.epochs) {
    switch (run_epoch()) {
      case EpochEnd::interrupted:
        save();
        save_weights_file();
        return Ending::interrupted;
      case EpochEnd::max_steps:
        cut_short();
        return Ending::max_steps;
      case EpochEnd::complete:
        if (steps_used_up() && state_.epoch < options_.epochs) return Ending::max_steps;
        break;
    }
  }
  // Again, for a run that was killed between its last checkpoint and its weights.
  save_weights_file();
  return Ending::finished;
}

// Trains what is left of the epoch and evaluates. The model, the position and the running metrics always
// belong together between two batches, and so any of these returns may be saved.
Trainer::EpochEnd Trainer::run_epoch() {
  model_->train();
  loader_.start_epoch(state_.epoch, state_.position);
  for (;;) {
    if (interrupted()) return EpochEnd::interrupted;
    if (steps_used_up() && state_.position < loader_.batches_per_epoch()) return EpochEnd::max_steps;
    const auto start = std::chrono::steady_clock::now();
    Batch batch;
    if (!loader_.next(batch)) break;
    train_step(batch);
    running_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    progress_.show(progress_state());
    save_if_due();
  }
  const auto test = evaluate(*model_, test_, precision_.activations, options_.batch_size, interrupted);
  if (!test) return EpochEnd::interrupted;
  finish_epoch(*test);
  return EpochEnd::complete;
}

void Trainer::train_step(const Batch& batch) {
  learning_rate_ = learning_rate(schedule_, state_.step + 1);
  optimizer_.set_lr(learning_rate_);
  last_images_ = as_input(batch.images, precision_.activations);
  const Generator drawn_before = state_.generator;
  const Tensor logits = (*model_)(last_images_);
  const Tensor loss = cross_entropy(logits, batch.targets.defined() ? batch.targets : batch.labels,
                                    {.label_smoothing = options_.label_smoothing});
  const double value = loss.item();
  if (!std::isfinite(value)) {
    state_.generator = drawn_before;
    diverged(fmt::format("the loss became {} at step {} (epoch {})", value, state_.step + 1, state_.epoch + 1));
  }
  optimizer_.zero_grad();
  loss.backward();
  if (options_.clip_norm > 0) clip_grad_norm_(model_->parameters(), options_.clip_norm);
  optimizer_.step();
  ++state_.step;
  ++state_.position;
  const auto size = static_cast<double>(batch.size());
  running_.loss_sum += value * size;
  running_.correct += static_cast<double>(count_correct(logits, batch.labels));
  running_.images += size;
}

void Trainer::append_row(const std::optional<Evaluation>& test) {
  metrics_text_ += metrics_row(state_.epoch + 1, state_.step, running_, test, learning_rate_);
}

void Trainer::finish_epoch(const Evaluation& test) {
  append_row(test);
  progress_.clear();
  log_.info(
      "epoch {}/{}  train loss {:.4f} accuracy {:.4f}  test loss {:.4f} accuracy {:.4f}  lr {:.5f}  {:.0f} "
      "images/s  {}",
      state_.epoch + 1, options_.epochs, running_.loss(), running_.accuracy(), test.loss, test.accuracy, learning_rate_,
      running_.images_per_second(), clock_text(running_.seconds));
  ++state_.epoch;
  state_.position = 0;
  running_ = {};
  save();
  write_atomically(files_.metrics(), metrics_text_);
  save_weights_file();
}

// --max-steps in the middle of an epoch: the checkpoint knows nothing of the row for the part that was done,
// so that a resume completes the epoch and writes its whole row.
void Trainer::cut_short() {
  progress_.clear();
  save();
  save_weights_file();
  if (state_.position == 0) return;
  append_row(std::nullopt);
  write_atomically(files_.metrics(), metrics_text_);
  log_.info("epoch {}/{}  train loss {:.4f} accuracy {:.4f} after {} of {} batches", state_.epoch + 1, options_.epochs,
            running_.loss(), running_.accuracy(), state_.position, loader_.batches_per_epoch());
}

void Trainer::save_if_due() {
  const auto since = std::chrono::steady_clock::now() - last_save_;
  if (since >= std::chrono::duration<double, std::ratio<60>>(options_.checkpoint_minutes)) save();
}

void Trainer::save() {
  check_finite();
  state_.metrics = {{"loss_sum", running_.loss_sum},
                    {"correct", running_.correct},
                    {"images", running_.images},
                    {"seconds", running_.seconds},
                    {"learning_rate", learning_rate_}};
  state_.text["metrics.csv"] = metrics_text_;
  save_checkpoint(files_.checkpoint(), state_);
  last_save_ = std::chrono::steady_clock::now();
}

void Trainer::save_weights_file() { save_weights(files_.weights(), *model_, card_); }

void Trainer::check_finite() {
  const std::string name = first_not_finite(*model_);
  if (!name.empty()) diverged(fmt::format("{} is not finite after step {}", name, state_.step));
}

void Trainer::diverged(const std::string& what) {
  progress_.clear();
  std::string where = "every layer's output is finite, so it is the loss itself";
  if (last_images_.defined()) {
    const std::string layer = first_layer_not_finite(*model_, last_images_);
    if (!all_finite(last_images_)) {
      where = "the batch of images itself is not finite";
    } else if (!layer.empty()) {
      where = "the first layer whose output is not finite is " + layer;
    }
  }
  throw DivergedError(
      fmt::format("{} (learning rate {:.6g}); {}. {} Try a smaller --lr, --warmup-epochs or --clip-norm.", what,
                  learning_rate_, where,
                  std::filesystem::exists(files_.checkpoint())
                      ? "The last good checkpoint stays: " + files_.checkpoint().string() + "."
                      : "No checkpoint had been written yet."));
}

}  // namespace striate::apps

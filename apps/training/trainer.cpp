#include "apps/training/trainer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/cli/interrupt.h"
#include "apps/cli/loss_scale.h"
#include "apps/training/diverged.h"
#include "apps/training/evaluate.h"
#include "apps/training/update_batch_norm.h"
#include "core/file.h"

namespace striate::cli {
namespace {

// Batch norm's statistics for an average of weights come from the epoch's first batches, up to so many images: the
// error of a mean over these is far below that of one batch, which training lives with.
constexpr std::int64_t kBatchNormImages = 10000;

}  // namespace

Trainer::Trainer(const TrainOptions& options, RunFiles files, std::map<std::string, std::string> text,
                 spdlog::logger& log, const Dataset& train, Dataset test)
    : options_(options),
      files_(std::move(files)),
      log_(log),
      precision_(precision_of(options.precision)),
      test_(std::move(test)),
      card_(card_of(options, train)),
      train_size_(train.size()),
      loader_(train, loader_options(options)),
      schedule_(schedule_of(options, train.size())),
      start_(build_model(options, train)),
      model_(*start_.model),
      objective_(options, train.class_names),
      optimizer_(build_optimizer(options, model_)),
      update_(*optimizer_, model_.parameters(),
              {.clip_norm = options.clip_norm, .loss_scale = loss_scale_of(options.loss_scale, options.precision)}),
      averages_(model_, {.ema_decay = options.ema, .swa_from = options.swa_from}),
      state_{.model = model_, .optimizer = *optimizer_},
      metrics_text_(metrics_header(averages_.names())),
      last_save_(std::chrono::steady_clock::now()) {
  state_.text = std::move(text);
  if (start_.skipped_head.empty()) return;
  log_.info("{} is for other classes: the head ({}) starts anew", options_.init, start_.skipped_head);
}

bool Trainer::steps_used_up() const { return options_.max_steps > 0 && state_.step >= options_.max_steps; }

// The last update of an epoch takes what is left.
std::int64_t Trainer::images_in_update() const {
  return std::min(options_.batch_size * options_.accumulate, train_size_ - state_.position * options_.batch_size);
}

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
  update_.load(state_);
  averages_.load(state_);
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
        save_weights_files();
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
  save_weights_files();
  return Ending::finished;
}

// Trains what is left of the epoch and evaluates. The model, the position and the running metrics always
// belong together between two updates, and so any of these returns may be saved.
Trainer::EpochEnd Trainer::run_epoch() {
  set_training(options_, model_);
  loader_.start_epoch(state_.epoch, state_.position);
  while (state_.position < loader_.batches_per_epoch()) {
    if (interrupted()) return EpochEnd::interrupted;
    if (steps_used_up()) return EpochEnd::max_steps;
    const auto start = std::chrono::steady_clock::now();
    train_step();
    running_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    progress_.show(progress_state());
    save_if_due();
  }
  const auto tests = test();
  if (!tests) return EpochEnd::interrupted;
  finish_epoch(*tests);
  return EpochEnd::complete;
}

// One update, from as many batches as it takes.
void Trainer::train_step() {
  learning_rate_ = learning_rate(schedule_, state_.step + 1);
  update_.begin(learning_rate_);
  const auto images = static_cast<double>(images_in_update());
  Batch batch;
  for (std::int64_t i = 0; i < options_.accumulate && loader_.next(batch); ++i) {
    add_gradient(batch, static_cast<double>(batch.size()) / images);
    ++state_.position;
  }
  update_.apply();
  if (update_.collapsed()) {
    diverged(fmt::format("the gradients are not finite at step {}: {}", state_.step + 1, update_.describe()),
             "every layer's output is finite, so it is on the way back");
  }
  averages_.after_step();
  ++state_.step;
}

// `share` is the batch's part of the update's images.
void Trainer::add_gradient(const Batch& batch, double share) {
  last_images_ = as_input(batch.images, precision_.activations);
  const Generator drawn_before = state_.generator;
  const Tensor logits = model_(last_images_);
  const Tensor loss = objective_.loss(logits, batch);
  const double value = loss.item();
  if (!std::isfinite(value)) {
    state_.generator = drawn_before;
    diverged(fmt::format("the loss became {} at step {} (epoch {})", value, state_.step + 1, state_.epoch + 1),
             "every layer's output is finite, so it is the loss itself");
  }
  loss.backward(Tensor::full({}, share * update_.loss_scale(), loss.dtype()));
  const auto size = static_cast<double>(batch.size());
  running_.loss_sum += value * size;
  running_.correct += static_cast<double>(count_correct(logits, batch.labels));
  running_.images += size;
}

// Nothing where it was interrupted: it is then done again, from the beginning.
std::optional<Trainer::Tests> Trainer::test() {
  Tests tests;
  const auto evaluate_now = [&] {
    tests.push_back(
        evaluate(model_, test_,
                 {.activations = precision_.activations, .batch_size = options_.batch_size, .stop = interrupted}));
  };
  evaluate_now();
  averages_.after_epoch(state_.epoch);
  for (const std::string& name : averages_.names()) {
    const bool averaged = averages_.with(name, [&] {
      if (name == Averages::swa) refresh_batch_norm();
      evaluate_now();
    });
    if (!averaged) tests.emplace_back();
  }
  return interrupted() ? std::nullopt : std::optional(tests);
}

void Trainer::refresh_batch_norm() {
  set_training(options_, model_);
  loader_.start_epoch(state_.epoch);
  std::int64_t images = 0;
  update_batch_norm(model_, [&] {
    Batch batch;
    if (images >= kBatchNormImages || interrupted() || !loader_.next(batch)) return Tensor();
    images += batch.size();
    return as_input(batch.images, precision_.activations);
  });
}

void Trainer::append_row(const Tests& tests) {
  metrics_text_ += metrics_row(state_.epoch + 1, state_.step, running_, tests, learning_rate_);
}

void Trainer::finish_epoch(const Tests& tests) {
  append_row(tests);
  progress_.clear();
  std::string more;
  const std::vector<std::string> names = averages_.names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (const auto& test = tests[i + 1]) more += fmt::format("  {} accuracy {:.4f}", names[i], test->accuracy);
  }
  if (const std::string scale = update_.describe(); !scale.empty()) more += "  " + scale;
  log_.info(
      "epoch {}/{}  train loss {:.4f} accuracy {:.4f}  test loss {:.4f} accuracy {:.4f}  lr {:.5f}  {:.0f} "
      "images/s  {}{}",
      state_.epoch + 1, options_.epochs, running_.loss(), running_.accuracy(), tests[0]->loss, tests[0]->accuracy,
      learning_rate_, running_.images_per_second(), clock_text(running_.seconds), more);
  ++state_.epoch;
  state_.position = 0;
  running_ = {};
  save();
  write_atomically(files_.metrics(), metrics_text_);
  save_weights_files();
}

// --max-steps in the middle of an epoch: the checkpoint knows nothing of the row for the part that was done,
// so that a resume completes the epoch and writes its whole row.
void Trainer::cut_short() {
  progress_.clear();
  save();
  save_weights_files();
  if (state_.position == 0) return;
  append_row(Tests(1 + averages_.names().size()));
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
  state_.tensors.clear();
  update_.save(state_);
  averages_.save(state_);
  state_.text["metrics.csv"] = metrics_text_;
  save_checkpoint(files_.checkpoint(), state_);
  last_save_ = std::chrono::steady_clock::now();
}

void Trainer::save_weights_files() {
  save_weights(files_.weights(), model_, card_);
  for (const std::string& name : averages_.names()) {
    averages_.with(name, [&] { save_weights(files_.weights(name), model_, card_); });
  }
}

void Trainer::check_finite() {
  const std::string name = first_not_finite(model_);
  if (!name.empty())
    diverged(fmt::format("{} is not finite after step {}", name, state_.step), "every layer's output is finite");
}

void Trainer::diverged(const std::string& what, const std::string& otherwise) {
  progress_.clear();
  std::string where = otherwise;
  if (last_images_.defined()) {
    const std::string layer = first_layer_not_finite(model_, last_images_);
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

}  // namespace striate::cli

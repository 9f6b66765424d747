#include "apps/training/record.h"

#include <filesystem>
#include <utility>

#include "core/file.h"
#include "models/weights.h"

namespace striate {

Record::Record(std::optional<RunFolder> folder, ModelCard card, const std::vector<std::string>& averages)
    : folder_(std::move(folder)), card_(std::move(card)), metrics_(metrics_header(averages)) {}

void Record::save(RunState& state, const Update& update, const Averages& averages) {
  if (!folder_) return;
  TrainingState& training = state.training;
  training.metrics = {{"loss_sum", state.running.loss_sum},
                      {"correct", state.running.correct},
                      {"images", state.running.images},
                      {"seconds", state.running.seconds},
                      {"learning_rate", state.learning_rate}};
  training.tensors.clear();
  update.save(training);
  averages.save(training);
  training.text["metrics.csv"] = metrics_;
  save_checkpoint(folder_->checkpoint(), training);
  last_save_ = std::chrono::steady_clock::now();
}

void Record::load(RunState& state, Update& update, Averages& averages) {
  TrainingState& training = state.training;
  load_checkpoint(folder_->checkpoint(), training);
  state.running = {.loss_sum = training.metrics.at("loss_sum"),
                   .correct = training.metrics.at("correct"),
                   .images = training.metrics.at("images"),
                   .seconds = training.metrics.at("seconds")};
  state.learning_rate = training.metrics.at("learning_rate");
  update.load(training);
  averages.load(training);
  metrics_ = training.text.at("metrics.csv");
  write_metrics();
}

bool Record::older_than(double minutes) const {
  return std::chrono::steady_clock::now() - last_save_ >= std::chrono::duration<double, std::ratio<60>>(minutes);
}

void Record::write_metrics() const { write_metrics_with(""); }

void Record::write_metrics_with(const std::string& row) const {
  if (folder_) write_atomically(folder_->metrics(), metrics_ + row);
}

void Record::save_weights(const Module& model, Averages& averages) const {
  if (!folder_) return;
  striate::save_weights(folder_->weights(), model, card_);
  for (const std::string& name : averages.names()) {
    averages.with(name, [&] { striate::save_weights(folder_->weights(name), model, card_); });
  }
}

std::string Record::what_is_kept() const {
  return folder_ && std::filesystem::exists(folder_->checkpoint())
             ? "The last good checkpoint is kept: " + folder_->checkpoint().string() + "."
             : "No checkpoint had been written yet.";
}

}  // namespace striate

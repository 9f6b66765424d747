#include "apps/training/record.h"

#include <filesystem>
#include <iomanip>
#include <sstream>
#include <utility>

#include "core/file.h"
#include "models/weights.h"

namespace striate {

Record::Record(std::optional<RunFolder> folder, ModelCard card, const std::vector<std::string>& figures,
               bool segmentation)
    : folder_(std::move(folder)), card_(std::move(card)), metrics_("epoch,step,train_loss,train_accuracy") {
  for (const std::string& name : figures) {
    for (const char* figure : {"_loss", "_accuracy", segmentation ? "_miou" : "_top5"}) metrics_ += "," + name + figure;
  }
  metrics_ += ",learning_rate,seconds,images_per_second\n";
}

void Record::save(TrainingState& state, const RunningMetrics& running, const Update& update, const Averages& averages) {
  if (!folder_) return;
  state.metrics = {{"loss_sum", running.loss_sum},
                   {"correct", running.correct},
                   {"images", running.images},
                   {"seconds", running.seconds},
                   {"learning_rate", running.learning_rate},
                   {"best_epoch", static_cast<double>(best_.epoch)},
                   {"best_accuracy", best_.accuracy}};
  state.tensors.clear();
  update.save(state);
  averages.save(state);
  state.text["metrics.csv"] = metrics_;
  save_checkpoint(folder_->checkpoint(), state);
  last_save_ = std::chrono::steady_clock::now();
}

void Record::load(TrainingState& state, RunningMetrics& running, Update& update, Averages& averages) {
  load_checkpoint(folder_->checkpoint(), state);
  running = {.loss_sum = state.metric("loss_sum"),
             .correct = state.metric("correct"),
             .images = state.metric("images"),
             .seconds = state.metric("seconds"),
             .learning_rate = state.metric("learning_rate")};
  update.load(state);
  averages.load(state);
  const std::string header = metrics_;
  metrics_ = state.text["metrics.csv"];
  if (!metrics_.starts_with(header)) {
    throw FileError(folder_->checkpoint().string(),
                    "is of an earlier version of striate, whose metrics.csv has other columns; resume it with that "
                    "version, or begin a new run from its weights");
  }
  best_ = {.epoch = static_cast<std::int64_t>(state.metric("best_epoch")), .accuracy = state.metric("best_accuracy")};
}

bool Record::older_than(double minutes) const {
  return std::chrono::steady_clock::now() - last_save_ >= std::chrono::duration<double, std::ratio<60>>(minutes);
}

std::string Record::row(const TrainingState& state, const RunningMetrics& running,
                        const std::vector<std::optional<Evaluation>>& figures) {
  std::ostringstream row;
  row << state.epoch + 1 << ',' << state.step << std::fixed << std::setprecision(6) << ',' << running.loss() << ','
      << running.accuracy();
  for (const auto& figure : figures) {
    if (figure) {
      row << ',' << figure->loss << ',' << figure->accuracy << ',' << figure->mean_iou.value_or(figure->top5);
    } else {
      row << ",,,";
    }
  }
  row << ',' << std::defaultfloat << std::setprecision(8) << running.learning_rate << std::fixed << ','
      << std::setprecision(2) << running.seconds << ',' << std::setprecision(1) << running.images_per_second() << '\n';
  return row.str();
}

void Record::write_metrics(const std::string& unkept) const {
  if (folder_) write_atomically(folder_->metrics(), metrics_ + unkept);
}

void Record::note_validation(std::int64_t epoch, double accuracy) {
  if (accuracy > best_.accuracy) best_ = {epoch, accuracy};
}

void Record::save_weights(const Module& model, Averages& averages, bool best) const {
  if (!folder_) return;
  striate::save_weights(folder_->weights(), model, card_);
  if (best) striate::save_weights(folder_->weights("best"), model, card_);
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

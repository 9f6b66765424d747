#include "apps/training/classification.h"

#include <algorithm>

#include "apps/training/csv.h"
#include "core/elementwise.h"
#include "layers/softmax.h"

namespace striate {
namespace {

double share(std::int64_t part, std::int64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

}  // namespace

void add_predictions(const Tensor& logits, const Tensor& labels, std::vector<Prediction>& predictions) {
  const std::vector<double> probabilities = softmax(cast(logits, parameter_dtype(logits.dtype()))).to_vector();
  const std::int64_t classes = logits.size(1);
  const auto* label = labels.data<std::int64_t>();
  for (auto row = probabilities.begin(); row != probabilities.end(); row += classes) {
    const auto best = std::max_element(row, row + classes);
    predictions.push_back({.label = *label++, .predicted = best - row, .probability = *best});
  }
}

std::int64_t ConfusionMatrix::images_of(std::int64_t label) const {
  std::int64_t sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) sum += at(label, c);
  return sum;
}

std::int64_t ConfusionMatrix::taken_for(std::int64_t predicted) const {
  std::int64_t sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) sum += at(c, predicted);
  return sum;
}

double ConfusionMatrix::recall(std::int64_t label) const { return share(at(label, label), images_of(label)); }

double ConfusionMatrix::precision(std::int64_t predicted) const {
  return share(at(predicted, predicted), taken_for(predicted));
}

ConfusionMatrix confusion_matrix(const std::vector<Prediction>& predictions, std::int64_t classes) {
  ConfusionMatrix matrix{.classes = classes,
                         .counts = std::vector<std::int64_t>(static_cast<std::size_t>(classes * classes))};
  for (const Prediction& one : predictions) {
    ++matrix.counts[static_cast<std::size_t>(one.label * classes + one.predicted)];
  }
  return matrix;
}

std::string confusion_csv(const ConfusionMatrix& matrix, const std::vector<std::string>& class_names) {
  std::string text = "label";
  for (const std::string& name : class_names) text += "," + csv_field(name);
  for (std::int64_t label = 0; label < matrix.classes; ++label) {
    text += "\n" + csv_field(class_names[static_cast<std::size_t>(label)]);
    for (std::int64_t c = 0; c < matrix.classes; ++c) text += "," + std::to_string(matrix.at(label, c));
  }
  return text + "\n";
}

std::vector<std::size_t> most_confident_mistakes(const std::vector<Prediction>& predictions, std::int64_t count) {
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    if (predictions[i].label != predictions[i].predicted) wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(), [&](std::size_t a, std::size_t b) {
    return predictions[a].probability > predictions[b].probability;
  });
  wrong.resize(std::min(wrong.size(), static_cast<std::size_t>(count)));
  return wrong;
}

}  // namespace striate

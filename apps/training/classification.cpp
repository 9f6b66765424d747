#include "apps/training/classification.h"

#include <algorithm>
#include <numeric>

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

std::optional<double> ConfusionMatrix::iou(std::int64_t label) const {
  const std::int64_t both = at(label, label), either = images_of(label) + taken_for(label) - both;
  return either == 0 ? std::nullopt : std::optional(share(both, either));
}

double ConfusionMatrix::mean_iou() const {
  double sum = 0;
  std::int64_t present = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    if (const auto of_class = iou(c)) {
      sum += *of_class;
      ++present;
    }
  }
  return present == 0 ? 0 : sum / static_cast<double>(present);
}

double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0;
  for (std::int64_t c = 0; c < classes; ++c) right += at(c, c);
  return share(right, total());
}

std::int64_t ConfusionMatrix::total() const { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); }

void ConfusionMatrix::add(const Tensor& logits, const Tensor& labels) {
  const Tensor predicted = predicted_classes(logits);
  const auto* column = predicted.data<std::int64_t>();
  for (const std::int64_t label : labels.span<std::int64_t>()) {
    if (label >= 0) ++counts.at(static_cast<std::size_t>(label * classes + *column));
    ++column;
  }
}

Tensor predicted_classes(const Tensor& logits) {
  const std::int64_t classes = logits.size(-1);
  Tensor result = Tensor::empty({logits.shape().begin(), logits.shape().end() - 1}, DType::i64);
  auto* out = result.mutable_data<std::int64_t>();
  dispatch_floating("predicted_classes", logits.dtype(), [&]<class T>(T) {
    const auto less = [](T a, T b) { return static_cast<compute_t<T>>(a) < static_cast<compute_t<T>>(b); };
    const T* row = logits.data<T>();
    for (std::int64_t i = 0; i < result.numel(); ++i, row += classes)
      out[i] = std::max_element(row, row + classes, less) - row;
  });
  return result;
}

ConfusionMatrix confusion_matrix(std::int64_t classes) {
  return {.classes = classes, .counts = std::vector<std::int64_t>(static_cast<std::size_t>(classes * classes))};
}

ConfusionMatrix confusion_matrix(const std::vector<Prediction>& predictions, std::int64_t classes) {
  ConfusionMatrix matrix = confusion_matrix(classes);
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

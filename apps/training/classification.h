#pragma once
// What a classifier did with each image, and the figures of classes that follow from it. evaluate() collects
// predictions; `striate eval` prints the rest.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// Of one image.
struct Prediction {
  std::int64_t label = 0;
  std::int64_t predicted = 0;
  double probability = 0;  ///< of the predicted class
};

/// Of logits (N,K) and labels i64 (N), appended in order.
void add_predictions(const Tensor& logits, const Tensor& labels, std::vector<Prediction>& predictions);

/// Of images, or of pixels.
struct ConfusionMatrix {
  std::int64_t classes = 0;
  std::vector<std::int64_t> counts = {};  ///< (classes,classes): how many images of class `row` were taken for `column`

  [[nodiscard]] std::int64_t at(std::int64_t label, std::int64_t predicted) const {
    return counts[static_cast<std::size_t>(label * classes + predicted)];
  }
  [[nodiscard]] std::int64_t images_of(std::int64_t label) const;      ///< sum of a row
  [[nodiscard]] std::int64_t taken_for(std::int64_t predicted) const;  ///< sum of a column
  /// at(c,c) / images_of(c), and 0 where the class has no image; as scikit-learn.
  [[nodiscard]] double recall(std::int64_t label) const;
  /// at(c,c) / taken_for(c), and 0 where no image was taken for the class; as scikit-learn.
  [[nodiscard]] double precision(std::int64_t predicted) const;
  /// Intersection over union, at(c,c) / (images_of(c) + taken_for(c) - at(c,c)); none of a class that is neither in the
  /// truth nor in the predictions.
  [[nodiscard]] std::optional<double> iou(std::int64_t label) const;
  /// Over the classes that have one; 0 where none has.
  [[nodiscard]] double mean_iou() const;
  /// The share of the diagonal; 0 of an empty matrix.
  [[nodiscard]] double accuracy() const;
  [[nodiscard]] std::int64_t total() const;
  /// Adds rows of logits (N,K) with labels (N) i64, or pixels (N,H,W,K) with (N,H,W). Rows whose label is below 0 are
  /// left out.
  void add(const Tensor& logits, const Tensor& labels);
};

/// i64: of logits (...,K) the class of the largest, the first of several, as (...).
Tensor predicted_classes(const Tensor& logits);

/// No counts yet.
ConfusionMatrix confusion_matrix(std::int64_t classes);
ConfusionMatrix confusion_matrix(const std::vector<Prediction>& predictions, std::int64_t classes);

/// A line a class, with a header: "label,cat,dog" and "cat,90,10"; names are quoted where CSV needs it.
std::string confusion_csv(const ConfusionMatrix& matrix, const std::vector<std::string>& class_names);

/// The places of the `count` wrong predictions of the highest probability, the most confident first.
std::vector<std::size_t> most_confident_mistakes(const std::vector<Prediction>& predictions, std::int64_t count);

}  // namespace striate

#include "apps/training/classification.h"

#include <gtest/gtest.h>

#include <cmath>

namespace striate {
namespace {

/// Of label and predicted class, each with this probability.
Prediction prediction(std::int64_t label, std::int64_t predicted, double probability = 0.5) {
  return {.label = label, .predicted = predicted, .probability = probability};
}

TEST(Classification, PredictionsAreTheLargestSoftmax) {
  std::vector<Prediction> found;
  const Tensor logits = Tensor::from<double>({2, 3}, {0, std::log(2.0), 0, 5, 1, 1});
  add_predictions(logits, Tensor::from<std::int64_t>({2}, {1, 2}), found);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].predicted, 1);
  EXPECT_NEAR(found[0].probability, 0.5, 1e-6);
  EXPECT_EQ(found[1].label, 2);
  EXPECT_EQ(found[1].predicted, 0);
}

// scikit-learn's precision_score and recall_score with average=None, zero_division=0.
TEST(Classification, PrecisionAndRecallByClass) {
  std::vector<Prediction> all;
  for (const auto& [label, predicted] : {std::pair{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 0}, {1, 1}, {1, 1}}) {
    all.push_back(prediction(label, predicted));
  }
  const ConfusionMatrix matrix = confusion_matrix(all, 3);
  EXPECT_EQ(matrix.counts, (std::vector<std::int64_t>{2, 1, 0, 1, 3, 0, 0, 0, 0}));
  EXPECT_EQ(matrix.images_of(1), 4);
  EXPECT_EQ(matrix.taken_for(0), 3);
  EXPECT_DOUBLE_EQ(matrix.precision(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(matrix.recall(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(matrix.precision(1), 0.75);
  EXPECT_DOUBLE_EQ(matrix.recall(1), 0.75);
  EXPECT_EQ(matrix.precision(2), 0);
  EXPECT_EQ(matrix.recall(2), 0);
}

TEST(Classification, ConfusionAsCsv) {
  const ConfusionMatrix matrix = confusion_matrix({prediction(0, 1), prediction(1, 1), prediction(1, 1)}, 2);
  EXPECT_EQ(confusion_csv(matrix, {"cat", "a, \"b\""}), "label,cat,\"a, \"\"b\"\"\"\ncat,0,1\n\"a, \"\"b\"\"\",0,2\n");
}

TEST(Classification, TheMostConfidentMistakesComeFirst) {
  const std::vector<Prediction> all = {prediction(0, 1, 0.6), prediction(1, 1, 0.99), prediction(0, 1, 0.9),
                                       prediction(1, 0, 0.9)};
  EXPECT_EQ(most_confident_mistakes(all, 2), (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(most_confident_mistakes(all, 10), (std::vector<std::size_t>{2, 3, 0}));
}

}  // namespace
}  // namespace striate

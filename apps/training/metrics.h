#pragma once
// What a training run measures, and the lines of metrics.csv. Filled by apps/training/stepper.h and evaluate.h.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace striate {

/// Sums over the images seen so far in an epoch.
struct RunningMetrics {
  double loss_sum = 0;  ///< of the training loss, times images
  double correct = 0;
  double images = 0;
  double seconds = 0;  ///< of training steps, evaluation not counted

  [[nodiscard]] double loss() const { return images > 0 ? loss_sum / images : 0; }
  [[nodiscard]] double accuracy() const { return images > 0 ? correct / images : 0; }
  [[nodiscard]] double images_per_second() const { return seconds > 0 ? images / seconds : 0; }
};

/// Plain cross entropy and the fraction of images classified rightly.
struct Evaluation {
  double loss = 0;
  double accuracy = 0;
};

/// The first line of metrics.csv. Each average of the weights has columns like the plain test figures' beside them:
/// ema_test_loss, ema_test_accuracy.
std::string metrics_header(const std::vector<std::string>& averages);

/// A line of metrics.csv. `epoch` counts from 1, `step` is the last step taken; `tests` has the plain figures, then
/// each average's, and cells without a figure stay empty.
std::string metrics_row(std::int64_t epoch, std::int64_t step, const RunningMetrics& train,
                        const std::vector<std::optional<Evaluation>>& tests, double learning_rate);

}  // namespace striate

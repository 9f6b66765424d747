#pragma once
// What a training run measures, and metrics.csv.

#include <cstdint>
#include <optional>
#include <string>

namespace striate::apps {

/// Sums over the images seen so far in an epoch.
struct RunningMetrics {
  double loss_sum = 0;  ///< of the training loss, times images
  double correct = 0;
  double images = 0;
  double seconds = 0;  ///< of training, evaluation not counted

  [[nodiscard]] double loss() const { return images > 0 ? loss_sum / images : 0; }
  [[nodiscard]] double accuracy() const { return images > 0 ? correct / images : 0; }
  [[nodiscard]] double images_per_second() const { return seconds > 0 ? images / seconds : 0; }
};

/// Plain cross entropy and the fraction of images classified rightly.
struct Evaluation {
  double loss = 0;
  double accuracy = 0;
};

/// The first line of metrics.csv.
std::string metrics_header();

/// A line of metrics.csv. `epoch` counts from 1, `step` is the last step taken; an epoch that --max-steps cut
/// short has no test figures.
std::string metrics_row(std::int64_t epoch, std::int64_t step, const RunningMetrics& train,
                        const std::optional<Evaluation>& test, double learning_rate);

}  // namespace striate::apps

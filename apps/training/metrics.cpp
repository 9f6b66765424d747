#include "apps/training/metrics.h"

#include <spdlog/fmt/fmt.h>

namespace striate::cli {

std::string metrics_header(const std::vector<std::string>& averages) {
  std::string header = "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy";
  for (const std::string& name : averages) header += fmt::format(",{0}_test_loss,{0}_test_accuracy", name);
  return header + ",learning_rate,seconds,images_per_second\n";
}

std::string metrics_row(std::int64_t epoch, std::int64_t step, const RunningMetrics& train,
                        const std::vector<std::optional<Evaluation>>& tests, double learning_rate) {
  std::string tested;
  for (const auto& test : tests) tested += test ? fmt::format("{:.6f},{:.6f},", test->loss, test->accuracy) : ",,";
  return fmt::format("{},{},{:.6f},{:.6f},{}{:.8g},{:.2f},{:.1f}\n", epoch, step, train.loss(), train.accuracy(),
                     tested, learning_rate, train.seconds, train.images_per_second());
}

}  // namespace striate::cli

#include "apps/metrics.h"

#include <spdlog/fmt/fmt.h>

namespace striate::apps {

std::string metrics_header() {
  return "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds,images_per_"
         "second\n";
}

std::string metrics_row(std::int64_t epoch, std::int64_t step, const RunningMetrics& train,
                        const std::optional<Evaluation>& test, double learning_rate) {
  const std::string tested = test ? fmt::format("{:.6f},{:.4f}", test->loss, test->accuracy) : ",";
  return fmt::format("{},{},{:.6f},{:.6f},{},{:.8g},{:.2f},{:.1f}\n", epoch, step, train.loss(), train.accuracy(),
                     tested, learning_rate, train.seconds, train.images_per_second());
}

}  // namespace striate::apps

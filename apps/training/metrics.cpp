#include "apps/training/metrics.h"

#include <iomanip>
#include <sstream>

namespace striate {
namespace {

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

}  // namespace

std::string metrics_header(const std::vector<std::string>& averages) {
  std::string header = "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy";
  for (const std::string& name : averages) header += "," + name + "_test_loss," + name + "_test_accuracy";
  return header + ",learning_rate,seconds,images_per_second\n";
}

std::string metrics_row(std::int64_t epoch, std::int64_t step, const RunningMetrics& train,
                        const std::vector<std::optional<Evaluation>>& tests, double learning_rate) {
  std::ostringstream row;
  row << epoch << ',' << step << ',' << fixed(train.loss(), 6) << ',' << fixed(train.accuracy(), 6);
  for (const auto& test : tests) {
    row << ',' << (test ? fixed(test->loss, 6) : "") << ',' << (test ? fixed(test->accuracy, 6) : "");
  }
  row << ',' << std::setprecision(8) << learning_rate << ',' << fixed(train.seconds, 2) << ','
      << fixed(train.images_per_second(), 1) << '\n';
  return row.str();
}

}  // namespace striate

#pragma once
// The bar of an epoch on a terminal; now and then a plain line elsewhere.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "apps/training/metrics.h"

namespace striate::cli {

struct ProgressState {
  std::int64_t epoch = 0;  ///< from 0
  std::int64_t epochs = 0;
  std::int64_t batch = 0;  ///< done in this epoch
  std::int64_t batches = 0;
  RunningMetrics metrics;
  double learning_rate = 0;
};

/// "0:42", "12:03", "3:20:00".
std::string clock_text(double seconds);

/// One line about the state, with a bar where it fits into `columns`, and never longer than those; 0: no bar,
/// no limit.
std::string progress_line(const ProgressState& state, std::size_t columns);

class Progress {
 public:
  Progress();
  /// After every step; draws at most ten times a second, prints plain lines at most every half minute.
  void show(const ProgressState& state);
  /// Removes the bar, so that something else can be printed.
  void clear();

 private:
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace striate::cli

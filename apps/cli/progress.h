#pragma once
// The progress of `striate train`, and of others that take long: the bar of an epoch on a terminal, a plain line now
// and then elsewhere.

#include <chrono>
#include <cstddef>
#include <string>

#include "apps/training/trainer.h"

namespace striate::cli {

/// "0:42", "12:03", "3:20:00".
std::string clock_text(double seconds);

/// One line about where the run is, with a bar where it fits into `columns`, and never longer than those; 0: no bar,
/// no limit.
std::string progress_line(const StepResult& step, std::size_t columns);

class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// After every step; draws at most ten times a second, prints plain lines at most every half minute.
  void show(const StepResult& step);
  /// The same with a line of one's own.
  void show(const std::string& line);
  /// Removes the bar, so that something else can be printed; the destructor does, too.
  void clear();

 private:
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace striate::cli

#pragma once
// The queue of an ablation: each run as a child process, some at a time. Called by apps/cli/ablate.cpp; read
// apps/ablate/child.h next.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/ablate/child.h"
#include "apps/ablate/runs.h"

namespace striate::cli {

struct ScheduleFlags {
  std::filesystem::path out;   ///< absolute
  std::filesystem::path data;  ///< empty for a data set that needs none
  int jobs = 1;
  int threads = 1;  ///< of each run
};

/// Runs each as `striate train --resume` in a process of its own, in their order but for those whose prepared
/// weights are not there yet.
class RunQueue {
 public:
  /// `after_each` is called whenever a run has ended.
  RunQueue(std::vector<Run> runs, ScheduleFlags flags, std::function<void()> after_each);

  enum class Ending : std::uint8_t { finished, some_failed, interrupted };
  /// Until all have ended, or until interrupted: then the children save and stop, and a later call with the
  /// same runs resumes them.
  Ending run();

 private:
  enum class Stage : std::uint8_t { waiting, running, finished, failed };
  struct Item {
    Run run;
    Stage stage = Stage::waiting;
    std::unique_ptr<Child> child = nullptr;
    std::chrono::steady_clock::time_point start = {};
  };

  void start_what_can();
  [[nodiscard]] bool weights_are_ready(Item& item);
  void start(Item& item);
  void look_after(Item& item);
  void end(Item& item, const std::string& failure, bool for_good);
  [[nodiscard]] std::size_t count(Stage stage) const;
  [[nodiscard]] std::string time_left() const;

  std::vector<Item> items_;
  ScheduleFlags flags_;
  std::function<void()> after_each_;
  bool stopping_ = false;
  std::size_t ended_ = 0;  // by work of ours
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace striate::cli

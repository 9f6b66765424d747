#pragma once
// The queue of an ablation: each run as a child process, some at a time; and how long it will take. Called by
// apps/cli/ablate.cpp; read apps/ablate/child.h next.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apps/ablate/report.h"
#include "apps/ablate/runs.h"

namespace striate::cli {

struct QueueFlags {
  std::filesystem::path out;   ///< absolute
  std::filesystem::path data;  ///< empty for a data set that needs none
  int jobs = 1;
  int threads = 1;  ///< of each run
};

enum class QueueEnding : std::uint8_t { finished, some_failed, interrupted };

/// Runs each as `striate train --resume` in a process of its own, in their order but for those whose prepared
/// weights are not there yet, until all have ended or it is interrupted: then the children save and stop, and a later
/// call with the same runs resumes them. `after_each` is called whenever a run has ended.
QueueEnding run_all(const std::vector<Run>& runs, const QueueFlags& flags, const std::function<void()>& after_each);

/// What --dry-run prints: a line for every run, where it stands and how long the rest of it will take. Speeds
/// are those of runs in the folder, of the same cell if there are any, else with the same model, width and
/// precision; else of a few steps of `striate bench`, which takes seconds. An image that is only tested is
/// counted as a third of one that is trained with.
std::string dry_run_text(const std::vector<Run>& runs, const Results& results, const QueueFlags& flags);

}  // namespace striate::cli

#pragma once
// The runs of an ablation on disk: DIR/runs/CELL/seed-S and DIR/prepare/NAME, each the folder of a `striate train`,
// with an outcome.txt once it has ended. Called by apps/ablate/schedule.cpp and report.cpp.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apps/ablate/recipe.h"

namespace striate::cli {

struct Run {
  const Cell* cell = nullptr;
  std::string seed;
  std::filesystem::path folder;
  bool prepared = false;

  [[nodiscard]] std::string label() const;
};

enum class RunState : std::uint8_t { waiting, running, finished, failed };

/// A run, and what its folder tells: whether it has ended, and how far it came.
struct RunResult : Run {
  RunState state = RunState::waiting;
  std::string reason = {};                  ///< why it failed
  std::int64_t epochs = 0;                  ///< done
  double seconds = 0;                       ///< of training, evaluation not counted
  double images_per_second = 0;             ///< while training
  std::map<std::string, double> last = {};  ///< the last line of metrics.csv by column
};

Run cell_run(const Cell& cell, std::int64_t seed, const std::filesystem::path& out);
Run prepared_run(const Cell& cell, const std::filesystem::path& out);

/// Never throws for what a killed run left behind.
RunResult read_run(const Run& run);

/// Writes outcome.txt: finished where `reason` is empty, else failed. The checkpoint of a finished run is removed,
/// since nothing resumes from it.
void write_outcome(const Run& run, const std::string& reason);
/// Lets a failed run be tried again, from its checkpoint or, where there is none, from the beginning (its folder is
/// removed). Does nothing to others.
void forget_failure(const Run& run);

/// The flags in which a run that has begun differs from its cell, as "--lr was 0.1 and is now 0.2"; empty
/// where there are none.
std::string changed_flags(const Run& run);

/// The arguments of `striate train` for a run; {NAME} becomes the path of weights below `out`.
std::vector<std::string> train_arguments(const Run& run, const std::filesystem::path& out);

}  // namespace striate::cli

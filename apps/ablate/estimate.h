#pragma once
// `striate ablate --dry-run`: what there is to run and how long it will take. Called by apps/cli/ablate.cpp.

#include <filesystem>
#include <string>
#include <vector>

#include "apps/ablate/report.h"

namespace striate::cli {

struct EstimateFlags {
  std::filesystem::path data;
  int jobs = 1;
  int threads = 1;  ///< of each run
};

/// What --dry-run prints: a line for every run, where it stands and how long the rest of it will take. Speeds
/// are those of runs in the folder, of the same cell if there are any, else with the same model, width and
/// precision; else of a few steps of `striate bench`, which takes seconds. An image that is only tested is
/// counted as a third of one that is trained with.
std::string dry_run_text(const std::vector<Run>& runs, const Results& results, const EstimateFlags& flags);

}  // namespace striate::cli

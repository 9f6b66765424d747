#pragma once
// The results of an ablation: results.csv, deltas.csv, report.md and chart.svg, rewritten after every run. Called by
// apps/cli/ablate.cpp; what the rows brought is in apps/ablate/deltas.h.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "apps/ablate/recipe.h"
#include "apps/ablate/runs.h"

namespace striate::cli {

/// A cell's runs by seed: the seeds asked for, and what lies beside them in the folder.
struct CellResults {
  std::vector<RunResult> runs;

  /// A column of the last line of metrics.csv, of the finished runs, in the seeds' order.
  [[nodiscard]] std::vector<double> values(const std::string& column) const;
  /// The test accuracies of finished runs by seed, of seeds below `end`.
  [[nodiscard]] std::map<std::int64_t, double> accuracies(
      std::int64_t end = std::numeric_limits<std::int64_t>::max()) const;
  [[nodiscard]] std::size_t count(RunState state) const;
};

/// What the command asks for; the report quotes it.
struct Asked {
  std::string recipe_file;
  std::int64_t seeds = 0;
  std::int64_t epochs = 0;     ///< given instead of the recipe's; 0: none
  std::int64_t max_seeds = 0;  ///< of --until-resolved; 0: without it
};

struct Results {
  const Recipe* recipe = nullptr;
  Asked asked;
  std::vector<CellResults> cells = {};     ///< as recipe->cells
  std::vector<CellResults> prepared = {};  ///< as recipe->prepared, one run each
};

Results gather(const Recipe& recipe, const Asked& asked, const std::filesystem::path& out);

/// A header and a row for every run that has ended.
std::string results_csv(const Results& results);

std::string report_markdown(const Results& results);

/// An SVG with a panel for each table: a line per row with a dot for every seed's last-epoch test accuracy, a
/// bar at the mean and a whisker over its 95% interval; the delta stands behind it. Readable on light and dark pages.
std::string chart_svg(const Results& results);

/// What is wrong with the results.csv of an earlier call, which is not read and will be written over: the file and its
/// line. Empty where it is sound or not there.
std::string damage_of_results(const std::filesystem::path& out);

/// Writes the four files into `out`, each whole.
void write_report(const Results& results, const std::filesystem::path& out);

}  // namespace striate::cli

#pragma once
// What each row of a table brought over the row that it is held against: by the seeds that both have, with Holm's
// correction over the table. Called by apps/ablate/report.cpp and chart.cpp, and by apps/cli/ablate.cpp to find what is
// not resolved yet; the arithmetic is in apps/ablate/statistics.h.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "apps/ablate/report.h"
#include "apps/ablate/statistics.h"

namespace striate::cli {

/// Of the test accuracy after the last epoch, as fractions.
struct Delta {
  std::size_t row = 0;                    ///< of Table::rows
  std::size_t against = 0;                ///< the same
  bool same_flags = false;                ///< both rows are one cell, and there is nothing to tell
  bool missing = false;                   ///< one of them has no finished run yet
  std::vector<std::int64_t> seeds = {};   ///< that both rows have
  std::vector<std::int64_t> alone = {};   ///< that one of them has, the other not
  double mean = 0;                        ///< over `seeds`, of the difference at the same seed; 0 where there are none
  std::optional<PairedTest> paired = {};  ///< none below two common seeds
  std::optional<Interval> welch = {};     ///< over all seeds of both; none below two on either side
  std::optional<double> holm = {};        ///< the p of `paired`, adjusted for all deltas of the table that have one

  /// That the adjusted p is below 0.05.
  [[nodiscard]] bool resolved() const { return holm && *holm < 0.05; }
  /// "better", "worse", "not resolved" and why, "missing", "the same flags".
  [[nodiscard]] std::string verdict() const;
};

/// One for each row that is held against another, in their order; of seeds below `end` alone.
std::vector<Delta> table_deltas(const Results& results, const Table& table,
                                std::int64_t end = std::numeric_limits<std::int64_t>::max());

/// "0.042", "<0.001".
std::string p_text(double p);

/// deltas.csv: a header and a row for every delta of every table, fractions as results.csv has them.
std::string deltas_csv(const Results& results);

}  // namespace striate::cli

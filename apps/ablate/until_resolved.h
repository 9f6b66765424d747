#pragma once
// `striate ablate --until-resolved`: more seeds for the cells whose delta is not resolved. Called by
// apps/cli/ablate.cpp after the seeds that were asked for; apps/ablate/deltas.h tells what is resolved,
// apps/ablate/schedule.h runs.

#include <functional>
#include <set>

#include "apps/ablate/report.h"
#include "apps/ablate/schedule.h"

namespace striate::cli {

struct MoreSeeds {
  std::set<std::size_t> cells;  ///< of Recipe::cells, those that may run; a delta counts where both of its are here
  std::int64_t seeds = 0;       ///< that each has already: 0, 1, ...
  std::int64_t max_seeds = 0;   ///< no seed from this one on
  std::function<Results()> results;  ///< as the folder has them now
  std::function<void(const Run&)> before_each = [](const Run&) {};
};

/// Seed by seed from more.seeds on: the cells of every delta that is not resolved by the seeds below this one get a run
/// of it. So what is decided about a seed hangs on the seeds below it alone, and whoever was killed and begins again
/// decides the same. A delta of which one side has no finished run at all is left alone. Says on the screen what is run
/// and why it ends. QueueEnding::some_failed where a run failed here.
QueueEnding run_until_resolved(const MoreSeeds& more, const QueueFlags& flags, const std::function<void()>& after_each);

}  // namespace striate::cli

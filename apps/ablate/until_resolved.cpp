#include "apps/ablate/until_resolved.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "apps/ablate/deltas.h"
#include "apps/cli/screen.h"
#include "core/text.h"

namespace striate::cli {
namespace {

using Texts = std::vector<std::string>;

// The deltas between cells that may run, by the seeds below `end`.
struct Standing {
  std::size_t deltas = 0;
  std::set<std::size_t> open;  // cells of those that are not resolved
  Texts not_resolved;          // "+one against baseline (+0.31, p 0.310)"
  Texts without_run;           // "+two against +one"
};

Standing standing(const Results& results, const std::set<std::size_t>& cells, std::int64_t end) {
  Standing found;
  for (const Table& table : results.recipe->tables) {
    for (const Delta& delta : table_deltas(results, table, end)) {
      const Row& row = table.rows[delta.row];
      const Row& other = table.rows[delta.against];
      if (delta.same_flags || !cells.contains(row.cell) || !cells.contains(other.cell)) continue;
      ++found.deltas;
      if (delta.resolved()) continue;
      const std::string name = row.label + " against " + other.label;
      if (delta.missing) {
        found.without_run.push_back(name);
        continue;
      }
      found.open.insert({row.cell, other.cell});
      const std::string p = delta.holm ? ", p " + p_text(*delta.holm) : "";
      found.not_resolved.push_back(name + fmt::format(" ({:+.2f}{})", 100 * delta.mean, p));
    }
  }
  return found;
}

void say(const std::string& line) {
  show("{}\n", line);
  flush_screen();
}

// Why no more seeds are added.
std::string reason_to_end(const Standing& now, const MoreSeeds& more) {
  if (now.deltas == 0) return "--until-resolved: there is no delta between the cells that run, and nothing to resolve";
  Texts reasons;
  if (!now.not_resolved.empty()) {
    reasons.push_back(
        fmt::format("--max-seeds {} is reached; not resolved: {}", more.max_seeds, joined(now.not_resolved)));
  }
  if (!now.without_run.empty()) reasons.push_back("without a finished run: " + joined(now.without_run));
  return reasons.empty() ? "every delta is resolved: no more seeds are added" : joined(reasons, "; ");
}

}  // namespace

QueueEnding run_until_resolved(const MoreSeeds& more, const QueueFlags& flags,
                               const std::function<void()>& after_each) {
  QueueEnding ending = QueueEnding::finished;
  for (std::int64_t seed = more.seeds; seed < more.max_seeds; ++seed) {
    const Results results = more.results();
    const Standing now = standing(results, more.cells, seed);
    std::vector<Run> runs;
    Texts to_do;
    for (const std::size_t cell : now.open) {
      runs.push_back(cell_run(results.recipe->cells[cell], seed, flags.out));
      more.before_each(runs.back());
      if (read_run(runs.back()).state == RunState::waiting) to_do.push_back(results.recipe->cells[cell].name);
    }
    if (!to_do.empty()) {
      say(fmt::format("by seeds below {} not resolved: {}; adding seed {} of {}", seed, joined(now.not_resolved), seed,
                      joined(to_do)));
    }
    const QueueEnding here = run_all(runs, flags, after_each);
    if (here == QueueEnding::interrupted) return here;
    if (here == QueueEnding::some_failed) ending = here;
  }
  say(reason_to_end(standing(more.results(), more.cells, more.max_seeds), more));
  return ending;
}

}  // namespace striate::cli

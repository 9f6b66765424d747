#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "apps/ablate/recipe.h"
#include "apps/ablate/report.h"
#include "apps/ablate/runs.h"
#include "apps/ablate/schedule.h"
#include "apps/ablate/until_resolved.h"
#include "apps/cli/commands.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/cli/train_flags.h"
#include "apps/cli/train_setup.h"
#include "apps/training/content_hash.h"
#include "apps/training/run_folder.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "data/dataset.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostSeeds = 10000;

struct AblateOptions {
  std::string recipe;
  std::string out;
  std::string data;
  std::int64_t seeds = 3;
  std::string only;
  std::int64_t epochs = 0;
  int jobs = 1;
  std::int64_t threads = 0;
  bool until_resolved = false;
  std::int64_t max_seeds = 10;
  bool dry_run = false;
  bool retry = false;
};

AblateOptions parse_ablate(const Arguments& arguments) {
  AblateOptions o;
  CLI::App app("Trains every cell of a recipe with every seed and reports what each trick brought.", "ablate");
  app.add_option("recipe", o.recipe, "A file like those in apps/recipes (docs/ablation.md)")->required();
  app.add_option("--out", o.out, "Folder of all runs and of the report; what is there already is not run again")
      ->required();
  app.add_option("--data", o.data, "Folder of data, as for train");
  app.add_option("--seeds", o.seeds, "Runs a cell, with seeds 0, 1, ...")->capture_default_str();
  app.add_option("--only", o.only, "Only these cells, \"baseline,+cosine\"; the report still has all");
  app.add_option("--epochs", o.epochs, "Every run's length instead of the recipe's; 0: the recipe's")
      ->capture_default_str();
  app.add_option("--jobs", o.jobs, "Runs at a time")->capture_default_str();
  app.add_option("--threads", o.threads, "Threads of each run; 0: all processors shared out among the jobs")
      ->capture_default_str();
  app.add_flag("--until-resolved", o.until_resolved,
               "Then add seeds, one at a time, to the cells whose delta is not resolved");
  const auto* most = app.add_option("--max-seeds", o.max_seeds, "until-resolved: no more seeds a cell than these")
                         ->capture_default_str();
  app.add_flag("--dry-run", o.dry_run, "List the runs, what is done and how long the rest will take");
  app.add_flag("--retry", o.retry, "Also resume runs that failed");
  parse(app, arguments);
  require(!o.out.empty(), "out", "a folder", "nothing");
  within("seeds", o.seeds, 1, kMostSeeds);
  if (o.until_resolved) {
    require(o.max_seeds >= o.seeds && o.max_seeds <= kMostSeeds, "max-seeds",
            fmt::format("from --seeds {} to {}", o.seeds, kMostSeeds), std::to_string(o.max_seeds));
  } else if (most->count() > 0) {
    throw UsageError("--max-seeds means nothing without --until-resolved");
  }
  within("epochs", o.epochs, 0, 1000000);
  within("jobs", o.jobs, 1, 1024);
  within("threads", o.threads, 0, kMostThreads);
  if (o.threads == 0) o.threads = std::max(1, num_threads() / o.jobs);
  return o;
}

Recipe read_recipe(const AblateOptions& options) {
  const auto bytes = read_bytes(options.recipe, kLongestToml);
  const auto epochs = options.epochs > 0 ? std::optional(options.epochs) : std::nullopt;
  return parse_recipe({bytes.begin(), bytes.end()}, options.recipe, epochs);
}

std::vector<std::size_t> chosen_cells(const Recipe& recipe, const std::string& only) {
  std::vector<std::size_t> chosen;
  for (const std::string& name : list_of(only, "only")) {
    const std::size_t cell = recipe.find(name);
    if (std::find(chosen.begin(), chosen.end(), cell) == chosen.end()) chosen.push_back(cell);
  }
  for (std::size_t cell = 0; only.empty() && cell < recipe.cells.size(); ++cell) chosen.push_back(cell);
  return chosen;
}

// Prepared weights first, then seed by seed, so that the whole table is there early and gets sharper.
std::vector<Run> planned_runs(const Recipe& recipe, const std::vector<std::size_t>& chosen, std::int64_t seeds,
                              const fs::path& out) {
  std::set<std::string> needed;
  for (const std::size_t cell : chosen) needed.insert(recipe.cells[cell].needs.begin(), recipe.cells[cell].needs.end());
  // What is prepared may itself need something that stands above it.
  for (std::size_t i = recipe.prepared.size(); i-- > 0;) {
    const Cell& cell = recipe.prepared[i];
    if (needed.contains(cell.name)) needed.insert(cell.needs.begin(), cell.needs.end());
  }
  std::vector<Run> runs;
  for (const Cell& cell : recipe.prepared) {
    if (needed.contains(cell.name)) runs.push_back(prepared_run(cell, out));
  }
  for (std::int64_t seed = 0; seed < seeds; ++seed) {
    for (const std::size_t cell : chosen) runs.push_back(cell_run(recipe.cells[cell], seed, out));
  }
  return runs;
}

// A report must not mix what came of other flags with what these would give, whether it is run now or not.
void refuse_changed(const Results& results) {
  for (const auto* list : {&results.prepared, &results.cells}) {
    for (const CellResults& cell : *list) {
      for (const RunResult& run : cell.runs) {
        const std::string changed = changed_flags(run);
        if (changed.empty()) continue;
        throw UsageError(fmt::format("{} holds a run with other flags: {}. Give another --out, or remove {}{}",
                                     run.folder.string(), changed,
                                     run.prepared ? "it" : run.folder.parent_path().string(),
                                     run.prepared ? " and the runs that were made with its weights" : ""));
      }
    }
  }
}

// Nor what came of other images. Where nothing is left to run they need not be there any more.
void refuse_other_images(const fs::path& data, const Cell& cell, const fs::path& out, bool to_run) {
  const TrainFlags flags = parse_train_flags({}, cell.given);
  const DataOptions load = data_options(flags);
  std::string here;
  try {
    here = content_hash(load_dataset(data, Split::train, flags.dataset, load));
    if (to_run && has_split(data, Split::test, flags.dataset)) load_dataset(data, Split::test, flags.dataset, load);
  } catch (const FileError&) {
    if (to_run) throw;
    return;
  }
  const fs::path file = out / "data.txt";
  if (!fs::exists(file)) {
    write_atomically(file, here);
    return;
  }
  const auto bytes = read_bytes(file);
  const std::string before(bytes.begin(), bytes.end());
  if (before == here) return;
  throw UsageError(
      fmt::format("the runs in {} are on other images, or of an earlier version of striate ({}, here {}); give their "
                  "--data, or another --out",
                  out.string(), printable(before), here));
}

}  // namespace

int run_ablate(const Arguments& arguments) {
  const AblateOptions options = parse_ablate(arguments);
  const Recipe recipe = read_recipe(options);
  const fs::path out = fs::absolute(options.out).lexically_normal();
  const std::string& dataset = value_of(recipe.cells[0].effective, "dataset");
  fs::path data = data_path(options.data, dataset);
  if (!data.empty()) data = fs::absolute(data);
  // A report is for others, too: no path of this machine in it.
  const fs::path file = options.recipe;
  const std::string shown = file.is_absolute() ? file.filename().string() : options.recipe;
  const Asked asked{.recipe_file = shown,
                    .seeds = options.seeds,
                    .epochs = options.epochs,
                    .max_seeds = options.until_resolved ? options.max_seeds : 0};
  const auto results = [&] { return gather(recipe, asked, out); };
  const std::vector<std::size_t> chosen = chosen_cells(recipe, options.only);
  const std::vector<Run> runs = planned_runs(recipe, chosen, options.seeds, out);
  refuse_changed(results());
  const QueueFlags flags{.out = out, .data = data, .jobs = options.jobs, .threads = static_cast<int>(options.threads)};
  if (options.dry_run) {
    show("{}", dry_run_text(runs, results(), flags));
    if (options.until_resolved)
      show("then --until-resolved adds up to {} runs a cell\n", asked.max_seeds - asked.seeds);
    return 0;
  }
  const RunFolder held(out);
  for (const std::string& warning : {held.warning(), damage_of_results(out)}) {
    if (!warning.empty()) complain("warning: " + warning);
  }
  // What failed before it began is cheap to try again, and may have had other flags.
  const auto is_to_run = [&](const Run& run) {
    const RunState state = read_run(run).state;
    const bool again = options.retry || !fs::exists(RunFiles{run.folder}.config());
    return state == RunState::waiting || (state == RunState::failed && again);
  };
  const auto try_again = [&](const Run& run) {
    if (is_to_run(run)) forget_failure(run);
  };
  refuse_other_images(data, recipe.cells[0], out, std::any_of(runs.begin(), runs.end(), is_to_run));
  std::for_each(runs.begin(), runs.end(), try_again);
  catch_interrupts();
  const auto report = [&] { write_report(results(), out); };
  report();
  QueueEnding ending = run_all(runs, flags, report);
  if (options.until_resolved && ending != QueueEnding::interrupted) {
    const QueueEnding more = run_until_resolved({.cells = {chosen.begin(), chosen.end()},
                                                 .seeds = asked.seeds,
                                                 .max_seeds = asked.max_seeds,
                                                 .results = results,
                                                 .before_each = try_again},
                                                flags, report);
    if (more != QueueEnding::finished) ending = more;
  }
  switch (ending) {
    case QueueEnding::finished:
      show("done; {}\n", (out / "report.md").string());
      return 0;
    case QueueEnding::some_failed:
      show("some runs failed, {} tells why (--retry runs them again; runs that were killed are resumed without it)\n",
           (out / "report.md").string());
      return 1;
    case QueueEnding::interrupted:
      write_screen("interrupted; the same command resumes it\n");
      return 130;
  }
  return 1;
}

}  // namespace striate::cli

#include "apps/ablate/report.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "apps/ablate/chart.h"
#include "apps/ablate/statistics.h"
#include "core/file.h"
#include "core/text.h"

namespace striate::cli {
namespace {

constexpr const char* kAccuracy = "test_accuracy";

CellResults gather_cell(const Cell& cell, std::int64_t seeds, const std::filesystem::path& out) {
  CellResults found;
  for (std::int64_t seed = 0;; ++seed) {
    Run run = cell_run(cell, seed, out);
    if (seed >= seeds && !std::filesystem::exists(run.folder)) return found;
    found.results.push_back(read_run(run));
    found.runs.push_back(std::move(run));
  }
}

// In quotes where a comma, a quote or the end of a line stands in it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string percent(double fraction) { return fmt::format("{:.2f}", 100 * fraction); }

// One line, and no end of a table's cell in it.
std::string table_text(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
  return result;
}

std::string verdict(const std::optional<Interval>& interval) {
  if (!interval || !interval->resolved()) return "not resolved";
  return interval->centre > 0 ? "better" : "worse";
}

// "delta | interval | verdict" of a row against another.
std::string delta_cells(const std::vector<double>& values, const std::vector<double>& others) {
  if (values.empty() || others.empty()) return "| | missing";
  const auto interval = welch_interval(values, others);
  const std::string range =
      interval ? fmt::format("{:+.2f} to {:+.2f}", 100 * interval->low(), 100 * interval->high()) : "";
  return fmt::format("{:+.2f} | {} | {}", 100 * (mean(values) - mean(others)), range, verdict(interval));
}

// Of training, the mean over runs.
std::string seconds_an_epoch(const CellResults& cell) {
  std::vector<double> seconds;
  for (const RunResult& result : cell.results) {
    if (result.state == RunState::finished && result.epochs > 0)
      seconds.push_back(result.seconds / static_cast<double>(result.epochs));
  }
  return seconds.empty() ? "" : fmt::format("{:.1f}", mean(seconds));
}

std::string row_line(const Results& results, const Table& table, const Row& row,
                     const std::vector<std::string>& extras) {
  const CellResults& cell = results.cells[row.cell];
  const std::vector<double> values = cell.values(kAccuracy);
  std::vector<std::string> seeds;
  for (const double value : values) seeds.push_back(percent(value));
  const std::size_t failed = cell.count(RunState::failed);
  const std::string runs = fmt::format("{}{}", values.size(), failed > 0 ? fmt::format(", {} failed", failed) : "");
  std::string line =
      fmt::format("| {} | {} | {} | {} | {} |", row.label, runs, values.empty() ? "" : percent(mean(values)),
                  values.size() < 2 ? "" : percent(standard_deviation(values)), joined(seeds));
  if (row.against) {
    const Row& other = table.rows[*row.against];
    const std::string delta = other.cell == row.cell ? "| | the same flags"
                                                     : delta_cells(values, results.cells[other.cell].values(kAccuracy));
    line += fmt::format(" {} | {} |", other.label, delta);
  } else {
    line += " | | | |";
  }
  line += fmt::format(" {} |", seconds_an_epoch(cell));
  for (const std::string& column : extras) {
    const auto more = cell.values(column);
    line += fmt::format(" {} |", more.empty() ? "" : percent(mean(more)));
  }
  return line + "\n";
}

std::string table_markdown(const Results& results, const Table& table, const std::vector<std::string>& extras) {
  std::string head = "| cell | runs | mean % | std | every seed | against | delta | 95% interval | | s/epoch |";
  std::string rule = "|---|---|---|---|---|---|---|---|---|---|";
  for (const std::string& column : extras) {
    head += " " + column + " % |";
    rule += "---|";
  }
  std::string text = "## " + table.title + "\n\n" + head + "\n" + rule + "\n";
  for (const Row& row : table.rows) text += row_line(results, table, row, extras);
  return text + "\n";
}

std::string failed_and_missing(const Results& results) {
  std::string failed;
  std::string missing;
  for (const auto* list : {&results.prepared, &results.cells}) {
    for (const CellResults& cell : *list) {
      std::vector<std::string> seeds;
      for (std::size_t i = 0; i < cell.runs.size(); ++i) {
        const RunResult& result = cell.results[i];
        if (result.state == RunState::failed) {
          failed += fmt::format("- {}: {}\n", cell.runs[i].label(), table_text(result.reason));
        } else if (result.state != RunState::finished) {
          seeds.push_back(cell.runs[i].seed);
        }
      }
      if (!seeds.empty()) missing += fmt::format("- {}: seeds {}\n", cell.runs[0].cell->name, joined(seeds));
    }
  }
  const std::string advice =
      "`--retry` resumes these; a run whose folder (runs/CELL/seed-SEED) is removed starts over.\n\n";
  return (failed.empty() ? "" : "## Failed\n\n" + failed + "\n" + advice) +
         (missing.empty() ? "" : "## Still missing\n\n" + missing + "\n");
}

// The rows of a cell's runs that have ended, with these columns of their last epoch.
std::string csv_rows(const CellResults& cell, const std::string& prefix, const std::vector<std::string>& measured) {
  std::string text;
  for (std::size_t i = 0; i < cell.runs.size(); ++i) {
    const RunResult& result = cell.results[i];
    if (result.state != RunState::finished && result.state != RunState::failed) continue;
    const bool finished = result.state == RunState::finished;
    text +=
        fmt::format("{}{},{},{}", prefix, cell.runs[i].cell->name, cell.runs[i].seed, finished ? "finished" : "failed");
    for (const std::string& column : measured) {
      const auto value = result.last.find(column);
      text += finished && value != result.last.end() ? fmt::format(",{}", value->second) : ",";
    }
    text += fmt::format(",{:.2f},{:.1f},{}", result.seconds, result.images_per_second, result.epochs);
    for (const auto& [flag, value] : cell.runs[i].cell->effective) text += "," + csv_field(value);
    text += "," + csv_field(result.reason) + "\n";
  }
  return text;
}

// What was trained beforehand, for the other runs to start from or be taught by.
std::string prepared_runs(const Results& results) {
  std::vector<std::string> runs;
  for (const CellResults& cell : results.prepared) {
    for (const double value : cell.values(kAccuracy))
      runs.push_back(cell.runs[0].cell->name + " " + percent(value) + "%");
  }
  return runs.empty() ? "" : "Prepared: " + joined(runs) + ".\n\n";
}

}  // namespace

std::vector<double> CellResults::values(const std::string& column) const {
  std::vector<double> found;
  for (const RunResult& result : results) {
    const auto value = result.last.find(column);
    if (result.state == RunState::finished && value != result.last.end()) found.push_back(value->second);
  }
  return found;
}

std::size_t CellResults::count(RunState state) const {
  return static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(), [&](const RunResult& result) { return result.state == state; }));
}

Results gather(const Recipe& recipe, const std::string& recipe_file, std::int64_t seeds, std::int64_t epochs,
               const std::filesystem::path& out) {
  Results results{
      .recipe = &recipe, .recipe_file = recipe_file, .seeds = seeds, .epochs = epochs, .cells = {}, .prepared = {}};
  for (const Cell& cell : recipe.cells) results.cells.push_back(gather_cell(cell, seeds, out));
  for (const Cell& cell : recipe.prepared) {
    const Run run = prepared_run(cell, out);
    results.prepared.push_back({.runs = {run}, .results = {read_run(run)}});
  }
  return results;
}

std::vector<std::string> extra_accuracies(const Results& results) {
  std::set<std::string> columns;
  for (const CellResults& cell : results.cells) {
    for (const RunResult& result : cell.results) {
      if (result.state != RunState::finished) continue;
      for (const auto& [column, value] : result.last) {
        if (column.ends_with("_accuracy") && column != kAccuracy && column != "train_accuracy") columns.insert(column);
      }
    }
  }
  return {columns.begin(), columns.end()};
}

std::string results_csv(const Results& results) {
  std::vector<std::string> measured = {kAccuracy, "test_loss", "train_loss", "train_accuracy"};
  for (const std::string& column : extra_accuracies(results)) measured.push_back(column);
  std::string text = "cell,seed,state";
  for (const std::string& column : measured) text += "," + column;
  text += ",seconds,images_per_second,epochs_done";
  for (const auto& [flag, value] : results.recipe->cells[0].effective) text += "," + flag;
  text += ",reason\n";
  for (const CellResults& cell : results.prepared) text += csv_rows(cell, "prepare.", measured);
  for (const CellResults& cell : results.cells) text += csv_rows(cell, "", measured);
  return text;
}

std::string report_markdown(const Results& results) {
  std::size_t all = 0;
  std::size_t finished = 0;
  for (const CellResults& cell : results.cells) {
    all += cell.runs.size();
    finished += cell.count(RunState::finished);
  }
  std::string text = "# " + results.recipe->title + "\n\n";
  if (!results.recipe->about.empty()) text += results.recipe->about + "\n\n";
  text += fmt::format(
      "{} of {} runs are finished. `striate ablate {} --seeds {}{} --out DIR` makes this page and runs "
      "what is missing;\nresults.csv has every run with all its flags.\n\n",
      finished, all, results.recipe_file, results.seeds,
      results.epochs > 0 ? fmt::format(" --epochs {}", results.epochs) : "");
  text += "![test accuracy by cell](chart.svg)\n\n";
  const auto extras = extra_accuracies(results);
  for (const Table& table : results.recipe->tables) text += table_markdown(results, table, extras);
  text += prepared_runs(results);
  text +=
      "Test accuracy after the last epoch, whatever was reached before. Deltas are in percentage points, with "
      "their 95% interval\nby Welch's t test; \"not resolved\" where it holds zero or a side has fewer than two "
      "runs. One interval in twenty misses the truth.\n\n";
  return text + failed_and_missing(results);
}

void write_report(const Results& results, const std::filesystem::path& out) {
  write_atomically(out / "results.csv", results_csv(results));
  write_atomically(out / "chart.svg", chart_svg(results));
  write_atomically(out / "report.md", report_markdown(results));
}

}  // namespace striate::cli

#include "apps/ablate/report.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <utility>

#include "apps/ablate/csv.h"
#include "apps/ablate/statistics.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
namespace {

constexpr const char* kAccuracy = "test_accuracy";

using Texts = std::vector<std::string>;

CellResults gather_cell(const Cell& cell, std::int64_t seeds, const std::filesystem::path& out) {
  CellResults found;
  for (std::int64_t seed = 0;; ++seed) {
    const Run run = cell_run(cell, seed, out);
    if (seed >= seeds && !std::filesystem::exists(run.folder)) return found;
    found.runs.push_back(read_run(run));
  }
}

// The test accuracies that finished runs have of averages of their weights, sorted.
Texts extra_accuracies(const Results& results) {
  std::set<std::string> columns;
  for (const CellResults& cell : results.cells) {
    for (const RunResult& run : cell.runs) {
      if (run.state != RunState::finished) continue;
      for (const auto& [column, value] : run.last) {
        if (column.ends_with("_test_accuracy")) columns.insert(column);
      }
    }
  }
  return {columns.begin(), columns.end()};
}

// A run that has ended, with these columns of its last epoch.
std::string csv_row(const RunResult& run, const Texts& measured) {
  const bool finished = run.state == RunState::finished;
  std::string text = fmt::format("{}{},{},{}", run.prepared ? "prepare." : "", run.cell->name, run.seed,
                                 finished ? "finished" : "failed");
  for (const std::string& column : measured) {
    const auto value = run.last.find(column);
    text += finished && value != run.last.end() ? fmt::format(",{}", value->second) : ",";
  }
  text += fmt::format(",{:.2f},{:.1f},{}", run.seconds, run.images_per_second, run.epochs);
  for (const auto& [flag, value] : run.cell->effective) text += "," + csv_field(value);
  return text + "," + csv_field(run.reason) + "\n";
}

std::string percent(double fraction) { return fmt::format("{:.2f}", 100 * fraction); }

std::string markdown_row(const Texts& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += (cell.empty() ? "" : " " + cell) + " |";
  return line + "\n";
}

// One line, and no end of a table's cell in it.
std::string table_text(const std::string& text) {
  std::string result;
  for (const char c : printable(text, 1000)) result += c == '|' ? "\\|" : std::string(1, c);
  return result;
}

// The difference to another row, its interval and a verdict.
Texts comparison(const std::vector<double>& values, const std::vector<double>& others) {
  if (values.empty() || others.empty()) return {"", "", "missing"};
  const auto interval = welch_interval(values, others);
  const bool resolved = interval && interval->resolved();
  return {fmt::format("{:+.2f}", 100 * (mean(values) - mean(others))),
          interval ? fmt::format("{:+.2f} to {:+.2f}", 100 * interval->low(), 100 * interval->high()) : "",
          !resolved              ? "not resolved"
          : interval->centre > 0 ? "better"
                                 : "worse"};
}

// Of training, the mean over runs.
std::string seconds_an_epoch(const CellResults& cell) {
  std::vector<double> seconds;
  for (const RunResult& run : cell.runs) {
    if (run.state != RunState::finished || run.epochs == 0) continue;
    seconds.push_back(run.seconds / static_cast<double>(run.epochs));
  }
  return seconds.empty() ? "" : fmt::format("{:.1f}", mean(seconds));
}

std::string row_line(const Results& results, const Table& table, const Row& row, const Texts& extras) {
  const CellResults& cell = results.cells[row.cell];
  const std::vector<double> values = cell.values(kAccuracy);
  Texts seeds;
  for (const double value : values) seeds.push_back(percent(value));
  const std::size_t failed = cell.count(RunState::failed);
  Texts line = {row.label, fmt::format("{}{}", values.size(), failed > 0 ? fmt::format(", {} failed", failed) : ""),
                values.empty() ? "" : percent(mean(values)),
                values.size() < 2 ? "" : percent(standard_deviation(values)), joined(seeds)};
  Texts against = {"", "", ""};
  if (row.against) {
    const Row& other = table.rows[*row.against];
    against = other.cell == row.cell ? Texts{"", "", "the same flags"}
                                     : comparison(values, results.cells[other.cell].values(kAccuracy));
  }
  line.push_back(row.against ? table.rows[*row.against].label : "");
  line.insert(line.end(), against.begin(), against.end());
  line.push_back(seconds_an_epoch(cell));
  for (const std::string& column : extras) {
    const auto more = cell.values(column);
    line.push_back(more.empty() ? "" : percent(mean(more)));
  }
  return markdown_row(line);
}

std::string table_markdown(const Results& results, const Table& table, const Texts& extras) {
  Texts head = {"cell", "runs", "mean %", "std", "every seed", "against", "delta", "95% interval", "", "s/epoch"};
  for (const std::string& column : extras) head.push_back(column + " %");
  std::string text = "## " + table.title + "\n\n" + markdown_row(head) + "|";
  for (std::size_t i = 0; i < head.size(); ++i) text += "---|";
  text += "\n";
  for (const Row& row : table.rows) text += row_line(results, table, row, extras);
  return text + "\n";
}

std::string failed_and_missing(const Results& results) {
  std::string failed;
  std::string missing;
  for (const auto* list : {&results.prepared, &results.cells}) {
    for (const CellResults& cell : *list) {
      Texts seeds;
      for (const RunResult& run : cell.runs) {
        if (run.state == RunState::failed) failed += fmt::format("- {}: {}\n", run.label(), table_text(run.reason));
        if (run.state == RunState::waiting) seeds.push_back(run.seed);
      }
      if (!seeds.empty()) missing += fmt::format("- {}: seeds {}\n", cell.runs[0].cell->name, joined(seeds));
    }
  }
  const std::string advice =
      "`--retry` resumes these; a run whose folder (runs/CELL/seed-SEED) is removed starts over.\n\n";
  return (failed.empty() ? "" : "## Failed\n\n" + failed + "\n" + advice) +
         (missing.empty() ? "" : "## Still missing\n\n" + missing + "\n");
}

// What was trained beforehand, for the other runs to start from or be taught by.
std::string prepared_runs(const Results& results) {
  Texts runs;
  for (const CellResults& cell : results.prepared) {
    for (const double value : cell.values(kAccuracy)) {
      runs.push_back(cell.runs[0].cell->name + " " + percent(value) + "%");
    }
  }
  return runs.empty() ? "" : "Prepared: " + joined(runs) + ".\n\n";
}

}  // namespace

std::vector<double> CellResults::values(const std::string& column) const {
  std::vector<double> found;
  for (const RunResult& run : runs) {
    const auto value = run.last.find(column);
    if (run.state == RunState::finished && value != run.last.end()) found.push_back(value->second);
  }
  return found;
}

std::size_t CellResults::count(RunState state) const {
  return static_cast<std::size_t>(
      std::count_if(runs.begin(), runs.end(), [&](const RunResult& run) { return run.state == state; }));
}

Results gather(const Recipe& recipe, const std::string& recipe_file, std::int64_t seeds, std::int64_t epochs,
               const std::filesystem::path& out) {
  Results results{.recipe = &recipe, .recipe_file = recipe_file, .seeds = seeds, .epochs = epochs};
  for (const Cell& cell : recipe.cells) results.cells.push_back(gather_cell(cell, seeds, out));
  for (const Cell& cell : recipe.prepared) results.prepared.push_back({{read_run(prepared_run(cell, out))}});
  return results;
}

std::string results_csv(const Results& results) {
  Texts measured = {kAccuracy, "test_loss", "train_loss", "train_accuracy"};
  for (const std::string& column : extra_accuracies(results)) measured.push_back(column);
  std::string text = "cell,seed,state," + joined(measured, ",") + ",seconds,images_per_second,epochs_done";
  for (const auto& [flag, value] : results.recipe->cells[0].effective) text += "," + flag;
  text += ",reason\n";
  for (const auto* list : {&results.prepared, &results.cells}) {
    for (const CellResults& cell : *list) {
      for (const RunResult& run : cell.runs) {
        if (run.state != RunState::waiting) text += csv_row(run, measured);
      }
    }
  }
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

std::string damage_of_results(const std::filesystem::path& out) {
  const auto file = out / "results.csv";
  if (!std::filesystem::exists(file)) return "";
  try {
    const auto bytes = read_bytes(file);
    csv_lines({bytes.begin(), bytes.end()});
  } catch (const FileError& error) {
    return error.what();
  } catch (const std::runtime_error& error) {
    return file.string() + ": " + error.what();
  }
  return "";
}

void write_report(const Results& results, const std::filesystem::path& out) {
  write_atomically(out / "results.csv", results_csv(results));
  write_atomically(out / "chart.svg", chart_svg(results));
  write_atomically(out / "report.md", report_markdown(results));
}

}  // namespace striate::cli

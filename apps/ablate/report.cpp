#include "apps/ablate/report.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <utility>

#include "apps/ablate/deltas.h"
#include "apps/ablate/statistics.h"
#include "apps/cli/command_line.h"
#include "apps/training/csv.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
namespace {

constexpr const char* kAccuracy = "test_accuracy";

constexpr const char* kHowToRead = R"(Test accuracy after the last epoch, whatever was reached before. A delta is the
mean over seeds of the difference at the same seed, in percentage points, with its 95% interval by Student's paired t
test; Welch's interval, of the difference of the two means, takes all runs as independent. p is the paired test's, by
Holm's correction over the table: "better" and "worse" where it is below 0.05. Of tables without any true difference one
in twenty at most has such a verdict.
)";

constexpr const char* kLookedAtAfterEverySeed =
    R"(Seeds were added until a delta was resolved: whoever looks after every
seed finds a difference where there is none more often than that (docs/ablation.md has how often).
)";

using Texts = std::vector<std::string>;

// Those asked for, and those that lie in the folder beside them, which may have gaps.
std::set<std::int64_t> seeds_of(const Cell& cell, std::int64_t asked, const std::filesystem::path& out) {
  std::set<std::int64_t> seeds;
  for (std::int64_t seed = 0; seed < asked; ++seed) seeds.insert(seed);
  const std::filesystem::path folder = cell_run(cell, 0, out).folder.parent_path();
  if (!std::filesystem::is_directory(folder)) return seeds;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const auto seed = number_in<std::int64_t>(name.substr(name.find('-') + 1));
    if (seed && *seed >= 0 && cell_run(cell, *seed, out).folder.filename() == name) seeds.insert(*seed);
  }
  return seeds;
}

CellResults gather_cell(const Cell& cell, std::int64_t seeds, const std::filesystem::path& out) {
  CellResults found;
  for (const std::int64_t seed : seeds_of(cell, seeds, out)) found.runs.push_back(read_run(cell_run(cell, seed, out)));
  return found;
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

std::string interval_text(const Interval& interval) {
  return fmt::format("{:+.2f} to {:+.2f}", 100 * interval.low(), 100 * interval.high());
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

std::string row_line(const Results& results, const Row& row, const Table& table, const Delta* delta) {
  const CellResults& cell = results.cells[row.cell];
  const std::vector<double> values = cell.values(kAccuracy);
  const std::size_t failed = cell.count(RunState::failed);
  Texts line = {row.label, fmt::format("{}{}", values.size(), failed > 0 ? fmt::format(", {} failed", failed) : ""),
                values.empty() ? "" : percent(mean(values)),
                values.size() < 2 ? "" : percent(standard_deviation(values))};
  if (delta == nullptr) {
    line.resize(line.size() + 6);
  } else {
    line.push_back(table.rows[delta->against].label);
    line.push_back(delta->seeds.empty() ? "" : fmt::format("{:+.2f}", 100 * delta->mean));
    line.push_back(delta->paired ? interval_text(delta->paired->interval) : "");
    line.push_back(delta->welch ? interval_text(*delta->welch) : "");
    line.push_back(delta->holm ? p_text(*delta->holm) : "");
    line.push_back(delta->verdict());
  }
  return markdown_row(line);
}

// What the deltas of rows whose seeds are not the same stand on.
std::string not_paired(const Table& table, const std::vector<Delta>& deltas) {
  std::string text;
  for (const Delta& delta : deltas) {
    if (delta.missing || delta.alone.empty()) continue;
    const auto list = [](const std::vector<std::int64_t>& seeds) {
      Texts texts;
      for (const std::int64_t seed : seeds) texts.push_back(std::to_string(seed));
      return (seeds.size() == 1 ? "seed " : "seeds ") + joined(texts);
    };
    text += fmt::format("- {} against {} is by {} alone: one of the two lacks {}.\n", table.rows[delta.row].label,
                        table.rows[delta.against].label, delta.seeds.empty() ? "no seed" : list(delta.seeds),
                        list(delta.alone));
  }
  return text.empty() ? "" : "Seeds that do not pair:\n\n" + text + "\n";
}

std::string head_lines(const Texts& head) {
  std::string text = markdown_row(head) + "|";
  for (std::size_t i = 0; i < head.size(); ++i) text += "---|";
  return text + "\n";
}

std::string table_markdown(const Results& results, const Table& table) {
  std::string text =
      "## " + table.title + "\n\n" +
      head_lines({"cell", "runs", "mean %", "std", "against", "delta", "paired 95%", "Welch 95%", "p (Holm)", ""});
  const std::vector<Delta> deltas = table_deltas(results, table);
  auto next = deltas.begin();
  for (const Row& row : table.rows) text += row_line(results, row, table, row.against ? &*next++ : nullptr);
  return text + "\n" + not_paired(table, deltas);
}

// "70.12, seed 2: 70.87, 70.95" of seeds 0, 2 and 3.
std::string every_seed(const CellResults& cell) {
  Texts texts;
  std::int64_t next = 0;
  for (const auto& [seed, value] : cell.accuracies()) {
    texts.push_back((seed == next ? "" : fmt::format("seed {}: ", seed)) + percent(value));
    next = seed + 1;
  }
  return joined(texts);
}

std::string every_run(const Results& results) {
  const Texts extras = extra_accuracies(results);
  Texts head = {"cell", "every seed %", "s/epoch"};
  for (const std::string& column : extras) head.push_back(column + " %");
  std::string text = "## Every run\n\n" + head_lines(head);
  for (const CellResults& cell : results.cells) {
    Texts line = {cell.runs[0].cell->name, every_seed(cell), seconds_an_epoch(cell)};
    for (const std::string& column : extras) {
      const auto more = cell.values(column);
      line.push_back(more.empty() ? "" : percent(mean(more)));
    }
    text += markdown_row(line);
  }
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

std::map<std::int64_t, double> CellResults::accuracies(std::int64_t end) const {
  std::map<std::int64_t, double> found;
  for (const RunResult& run : runs) {
    const auto value = run.last.find(kAccuracy);
    const std::int64_t seed = std::stoll(run.seed);
    if (run.state == RunState::finished && value != run.last.end() && seed < end) found[seed] = value->second;
  }
  return found;
}

Results gather(const Recipe& recipe, const Asked& asked, const std::filesystem::path& out) {
  Results results{.recipe = &recipe, .asked = asked};
  for (const Cell& cell : recipe.cells) results.cells.push_back(gather_cell(cell, asked.seeds, out));
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
  const Asked& asked = results.asked;
  std::string flags = fmt::format("--seeds {}", asked.seeds);
  if (asked.max_seeds > 0) flags += fmt::format(" --until-resolved --max-seeds {}", asked.max_seeds);
  if (asked.epochs > 0) flags += fmt::format(" --epochs {}", asked.epochs);
  text += fmt::format(
      "{} of {} runs are finished. `striate ablate {} {} --out DIR` makes this page and runs what is missing;\n"
      "results.csv has every run with all its flags, deltas.csv every delta.\n\n",
      finished, all, asked.recipe_file, flags);
  text += "![test accuracy by cell](chart.svg)\n\n";
  for (const Table& table : results.recipe->tables) text += table_markdown(results, table);
  text += every_run(results) + prepared_runs(results);
  text += kHowToRead;
  if (asked.max_seeds > 0) text += kLookedAtAfterEverySeed;
  return text + "\n" + failed_and_missing(results);
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
  write_atomically(out / "deltas.csv", deltas_csv(results));
  write_atomically(out / "chart.svg", chart_svg(results));
  write_atomically(out / "report.md", report_markdown(results));
}

}  // namespace striate::cli

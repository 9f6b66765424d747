#include "apps/report/history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <system_error>

#include "apps/cli/command_line.h"
#include "apps/cli/train_flags.h"
#include "apps/training/csv.h"
#include "apps/training/run_folder.h"
#include "core/error.h"
#include "core/file.h"
#include "core/text.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

double number_of(const std::string& field, const fs::path& file, std::size_t line, const std::string& column) {
  if (field.empty()) return std::numeric_limits<double>::quiet_NaN();
  if (const auto number = number_in<double>(field)) return *number;
  throw FileError(file.string(), fmt::format("line {}, {}: expected a number, got {}", line, column, field));
}

void read_columns(const fs::path& file, History& history) {
  std::vector<std::vector<std::string>> lines;
  try {
    lines = csv_lines(text_in(file));
  } catch (const FileError&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw FileError(file.string(), std::string(error.what()) + "; expected epochs as train writes them");
  }
  for (std::size_t column = 0; column < lines[0].size(); ++column) {
    const std::string& name = lines[0][column];
    auto& values = history.columns[name];
    for (std::size_t line = 1; line < lines.size(); ++line) {
      values.push_back(number_of(lines[line][column], file, line + 1, name));
    }
  }
  if (!history.columns.contains("epoch")) throw FileError(file.string(), "expected a column epoch, as train writes it");
}

Values flags_in(const fs::path& folder) {
  const fs::path config = RunFiles{folder}.config();
  if (!fs::exists(config)) return {};
  try {
    return parse_toml(text_in(config), config.string());
  } catch (const UsageError& error) {
    throw FileError(config.string(), std::string("cannot be understood: ") + error.what());
  }
}

std::string name_of(const fs::path& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

bool begins_with_epochs(const fs::path& file) {
  if (file.extension() != ".csv" || !fs::is_regular_file(file)) return false;
  std::string head = "epoch,";
  InputFile input(file);
  if (input.size() < head.size()) return false;
  input.read(head.data(), head.size());
  return head == "epoch,";
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

History read_run(const fs::path& folder, const std::string& name) {
  History run{.name = name, .folder = folder, .series = "metrics", .flags = flags_in(folder)};
  for (const auto& [flag, value] : run.flags) run.seed = flag == "seed" ? value : run.seed;
  read_columns(RunFiles{folder}.metrics(), run);
  return run;
}

// DIR/runs/CELL/seed-S.
std::vector<History> runs_of_ablation(const fs::path& folder) {
  std::vector<History> runs;
  if (!fs::is_directory(folder / "runs")) return runs;
  for (const fs::path& cell : sorted_entries(folder / "runs")) {
    if (!fs::is_directory(cell)) continue;
    for (const fs::path& run : sorted_entries(cell)) {
      if (!fs::exists(RunFiles{run}.metrics())) continue;
      runs.push_back(read_run(run, name_of(cell) + "/" + name_of(run)));
      runs.back().series = name_of(cell);
    }
  }
  return runs;
}

// Folders below that could have been meant.
std::string advice_on(const fs::path& folder) {
  std::vector<std::string> runs;
  for (const fs::path& entry : sorted_entries(folder)) {
    if (fs::exists(RunFiles{entry}.metrics())) runs.push_back(entry.string());
  }
  return runs.empty() ? "" : "; there are runs below:" + listed(runs);
}

// What makes runs alike: all flags that change results but the seed, or where they come from.
std::string configuration_of(const History& run) {
  std::string text = run.flags.empty() ? run.folder.string() : "";
  for (const auto& [flag, value] : run.flags) {
    if (flag != "seed" && !is_about_running(flag)) text += flag + "=" + value + "\n";
  }
  return text + run.series;
}

// "lenet" of lenet-0 and lenet-1.
std::string common_name(const Configuration& configuration) {
  std::string name = configuration.runs[0].name;
  if (configuration.runs.size() == 1) return name;
  const std::string& seed = configuration.runs[0].seed;
  for (const std::string& end : {seed, std::string("seed-"), std::string("-"), std::string("/")}) {
    if (name.ends_with(end) && name.size() > end.size()) name.resize(name.size() - end.size());
  }
  return fmt::format("{} ({} seeds)", name, configuration.runs.size());
}

}  // namespace

const std::vector<double>& History::values(const std::string& column) const {
  static const std::vector<double> none;
  const auto found = columns.find(column);
  return found == columns.end() ? none : found->second;
}

std::map<double, std::vector<double>> Configuration::by_epoch(const std::string& column) const {
  std::map<double, std::vector<double>> points;
  for (const History& run : runs) {
    const std::vector<double>& values = run.values(column);
    for (std::size_t i = 0; i < values.size(); ++i) {
      // What is beyond the range of a float is no figure to draw.
      if (std::abs(values[i]) < 1e38 && std::isfinite(run.values("epoch")[i]))
        points[run.values("epoch")[i]].push_back(values[i]);
    }
  }
  return points;
}

std::string Configuration::value(const std::string& flag) const {
  for (const auto& [name, value] : runs[0].flags) {
    if (name == flag) return value;
  }
  return "";
}

std::string text_in(const fs::path& file) {
  const auto bytes = read_bytes(file, std::uint64_t{64} << 20U);
  return {bytes.begin(), bytes.end()};
}

bool is_ablation(const fs::path& folder) {
  return fs::exists(folder / "report.md") && fs::exists(folder / "results.csv");
}

std::vector<History> read_histories(const fs::path& folder) {
  std::error_code none;
  if (!fs::is_directory(folder, none)) {
    throw FileError(folder.string(), fs::exists(folder, none) ? "expected the folder of a run, got a file"
                                                              : "expected the folder of a run; it is not there");
  }
  if (fs::exists(RunFiles{folder}.metrics())) return {read_run(folder, name_of(folder))};
  std::vector<History> runs = runs_of_ablation(folder);
  for (const fs::path& file : sorted_entries(folder)) {
    if (!begins_with_epochs(file)) continue;
    const std::string stem = file.stem().string();
    const std::size_t dash = stem.rfind('-');
    History run{.name = name_of(folder) + "/" + stem, .folder = folder, .flags = flags_in(folder)};
    run.series = stem.substr(0, dash);
    run.seed = dash == std::string::npos ? "" : stem.substr(dash + 1);
    read_columns(file, run);
    runs.push_back(std::move(run));
  }
  if (runs.empty() && !is_ablation(folder)) {
    throw FileError(folder.string(),
                    "holds no run: expected metrics.csv, a CSV of epochs such as seed-0.csv, or report.md and "
                    "results.csv of an ablation" +
                        advice_on(folder));
  }
  return runs;
}

std::vector<Configuration> configurations(std::vector<History> histories) {
  std::vector<Configuration> found;
  std::map<std::string, std::size_t> places;
  for (History& history : histories) {
    const auto [place, first] = places.emplace(configuration_of(history), found.size());
    if (first) found.emplace_back();
    found[place->second].runs.push_back(std::move(history));
  }
  for (Configuration& configuration : found) configuration.name = common_name(configuration);
  return found;
}

}  // namespace striate::cli

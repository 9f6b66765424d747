#include "apps/ablate/runs.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "apps/cli/command_line.h"
#include "apps/cli/train_flags.h"
#include "apps/training/csv.h"
#include "apps/training/run_folder.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFinished = "finished";
constexpr const char* kFailed = "failed: ";

fs::path outcome_file(const Run& run) { return run.folder / "outcome.txt"; }

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Columns are found by name, since runs differ in what they measure. The row of an epoch that --max-steps cut
// short has no test figures and counts for nothing. Throws std::runtime_error for a file that was damaged.
void read_metrics(const std::string& text, RunResult& result) {
  const auto lines = csv_lines(text);
  const auto& names = lines[0];
  for (const char* column : {"epoch", "test_accuracy", "seconds", "images_per_second"}) {
    if (std::find(names.begin(), names.end(), column) != names.end()) continue;
    throw std::runtime_error(fmt::format("line 1 names no column {}", column));
  }
  double images = 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::map<std::string, double> row;
    for (std::size_t k = 0; k < names.size(); ++k) {
      const std::string& field = lines[i][k];
      if (field.empty()) continue;
      const auto value = number_in<double>(field);
      if (!value || (names[k].ends_with("accuracy") && !(*value >= 0 && *value <= 1))) {
        throw std::runtime_error(fmt::format("line {} has {} = {}", i + 1, printable(names[k]), printable(field)));
      }
      row[names[k]] = *value;
    }
    if (!row.contains("test_accuracy")) continue;
    ++result.epochs;
    result.seconds += row["seconds"];
    images += row["seconds"] * row["images_per_second"];
    result.last = std::move(row);
  }
  if (result.seconds > 0) result.images_per_second = images / result.seconds;
}

// The path of prepared weights as the recipe has it, wherever the folder lies now.
std::string without_folder(const std::string& value) {
  const fs::path path = value;
  const fs::path folder = path.parent_path();
  const bool prepared = path.filename() == "weights.safetensors" && folder.parent_path().filename() == "prepare";
  return prepared ? "{" + folder.filename().string() + "}" : value;
}

}  // namespace

std::string Run::label() const { return prepared ? "prepare " + cell->name : cell->name + " seed " + seed; }

Run cell_run(const Cell& cell, std::int64_t seed, const fs::path& out) {
  return {.cell = &cell,
          .seed = std::to_string(seed),
          .folder = out / "runs" / cell.name / fmt::format("seed-{}", seed),
          .prepared = false};
}

Run prepared_run(const Cell& cell, const fs::path& out) {
  const auto seed = std::find_if(cell.given.begin(), cell.given.end(), [](auto& flag) { return flag.first == "seed"; });
  return {.cell = &cell,
          .seed = seed == cell.given.end() ? "0" : seed->second,
          .folder = out / "prepare" / cell.name,
          .prepared = true};
}

RunResult read_run(const Run& run) {
  RunResult result{run};
  std::string damage;
  const fs::path metrics = RunFiles{run.folder}.metrics();
  try {
    if (fs::exists(metrics)) read_metrics(text_of(metrics), result);
  } catch (const std::runtime_error& error) {
    result = {run};
    damage = error.what();
  }
  const std::string outcome = text_of(outcome_file(run));
  const std::string& epochs = value_of(run.cell->effective, "epochs");
  if (outcome.starts_with(kFailed)) {
    result.state = RunState::failed;
    result.reason = outcome.substr(std::string(kFailed).size());
  } else if (outcome.starts_with(kFinished)) {
    const bool early = !value_of(run.cell->effective, "patience").empty() && result.epochs > 0;
    if (damage.empty() && !early && std::to_string(result.epochs) != epochs) {
      damage = fmt::format("shows {} of {} epochs", result.epochs, epochs);
    }
    result.state = damage.empty() ? RunState::finished : RunState::failed;
    if (!damage.empty()) result.reason = "metrics.csv " + damage + ", though the run has ended: it was damaged since";
  }
  return result;
}

void write_outcome(const Run& run, const std::string& reason) {
  write_atomically(outcome_file(run), reason.empty() ? kFinished : kFailed + reason);
  if (reason.empty()) fs::remove(RunFiles{run.folder}.checkpoint());
}

void forget_failure(const Run& run) {
  if (read_run(run).state != RunState::failed) return;
  if (fs::exists(RunFiles{run.folder}.checkpoint())) {
    fs::remove(outcome_file(run));
  } else {
    fs::remove_all(run.folder);
  }
}

std::string changed_flags(const Run& run) {
  const fs::path config = RunFiles{run.folder}.config();
  if (!fs::exists(config)) return {};
  Values before;
  try {
    before = values_of(parse_train_flags({}, parse_toml(text_of(config), config.string())));
  } catch (const std::exception& error) {  // of what is wrong with flags, and nothing else can be here
    throw UsageError(fmt::format("{}; remove {} to run it again", error.what(), run.folder.string()));
  }
  Values now = run.cell->effective;
  now.emplace_back("seed", run.seed);
  std::vector<std::string> changed;
  const auto shown = [](const std::string& value) { return value.empty() ? "not given" : printable(value); };
  for (const auto& [flag, given] : now) {
    const std::string value = without_folder(given);
    const std::string old = without_folder(value_of(before, flag));
    if (old != value) changed.push_back(fmt::format("--{} was {} and is now {}", flag, shown(old), shown(value)));
  }
  return joined(changed, "; ");
}

std::vector<std::string> train_arguments(const Run& run, const fs::path& out) {
  std::vector<std::string> arguments = {"train"};
  for (const auto& [flag, value] : run.cell->given) {
    if (flag == "seed") continue;
    const bool weights = value.starts_with('{') && value.ends_with('}');
    const RunFiles prepared{out / "prepare" / value.substr(weights ? 1 : 0, value.size() - (weights ? 2 : 0))};
    arguments.push_back(fmt::format("--{}={}", flag, weights ? prepared.weights().string() : value));
  }
  arguments.push_back("--seed=" + run.seed);
  arguments.push_back("--out=" + run.folder.string());
  arguments.emplace_back("--resume");
  return arguments;
}

}  // namespace striate::cli

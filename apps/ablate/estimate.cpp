// How long an ablation will take: dry_run_text() of apps/ablate/schedule.h.

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/ablate/child.h"
#include "apps/ablate/schedule.h"
#include "apps/cli/progress.h"
#include "apps/cli/train_setup.h"
#include "apps/training/run_folder.h"
#include "core/error.h"
#include "core/printable.h"
#include "data/dataset.h"

namespace striate::cli {
namespace {

constexpr double kTestShare = 1.0 / 3;

struct Speed {
  double images_per_second = 0;
  std::string source;
};

// Flags that decide how fast a run is.
std::string speed_key(const Cell& cell) {
  std::string key;
  for (const char* flag : {"model", "width-multiplier", "precision", "conv", "teacher", "image-size"}) {
    key += value_of(cell.effective, flag) + "|";
  }
  return key;
}

std::vector<std::string> bench_arguments(const Cell& cell, const std::string& input, int threads) {
  std::vector<std::string> arguments = {"bench", "--json", "--steps=3", fmt::format("--threads={}", threads),
                                        "--input=" + input};
  for (const char* flag : {"model", "precision", "conv"}) {
    arguments.push_back(fmt::format("--{}={}", flag, value_of(cell.effective, flag)));
  }
  // Models need not have it.
  const std::string& width = value_of(cell.effective, "width-multiplier");
  if (width != "1") arguments.push_back("--width-multiplier=" + width);
  return arguments;
}

// Training images a second of a model by itself; nothing where bench cannot tell.
std::optional<double> measured_by(const std::vector<std::string>& bench) {
  std::string file = (std::filesystem::temp_directory_path() / "striate-bench-XXXXXX").string();
  const int made = ::mkstemp(file.data());
  if (made < 0) throw FileError(file, std::string("cannot be made: ") + std::strerror(errno));
  ::close(made);
  const int status = Child(bench, file, "/dev/null").wait();
  std::ifstream stream(file);
  const auto measured = nlohmann::json::parse(stream, nullptr, false);
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  if (status != 0 || !measured.contains("train_median")) return std::nullopt;
  return measured["train_median"].get<double>();
}

class Estimator {
 public:
  Estimator(const Results& results, const QueueFlags& flags) : flags_(flags) {
    for (const auto* list : {&results.prepared, &results.cells}) {
      for (const CellResults& cell : *list) {
        for (const RunResult& run : cell.runs) note(run);
      }
    }
  }

  // Nothing where bench cannot tell.
  std::optional<Speed> speed(const Cell& cell) {
    if (const auto own = speeds_.find(cell.name); own != speeds_.end()) return own->second;
    const auto [known, added] = speeds_.try_emplace(speed_key(cell));
    if (!added) return known->second;
    const auto measured = measured_by(bench_arguments(cell, images_of(cell).input, flags_.threads));
    const bool taught = !value_of(cell.effective, "teacher").empty();
    if (measured) {
      known->second = Speed{*measured, taught ? "by bench, alone and without its teacher" : "by bench, a run alone"};
    }
    return known->second;
  }

  // In units of training images.
  double images_left(const RunResult& run) {
    const std::int64_t epochs = std::stoll(value_of(run.cell->effective, "epochs")) - run.epochs;
    return static_cast<double>(epochs) * images_of(*run.cell).an_epoch;
  }

 private:
  // The newest of several wins; they hardly differ.
  void note(const RunResult& run) {
    if (run.images_per_second <= 0) return;
    speeds_[run.cell->name] = Speed{run.images_per_second, "as measured"};
    speeds_[speed_key(*run.cell)] = Speed{run.images_per_second, "as " + run.cell->name};
  }

  struct Images {
    double an_epoch = 0;  // in units of training images
    std::string input;    // "32x32x3"
  };

  Images images_of(const Cell& cell) {
    TrainFlags flags = parse_train_flags({}, cell.given);
    const std::string key = fmt::format("{}|{}|{}|{}", flags.dataset, flags.classes, flags.per_class, flags.image_size);
    if (const auto known = images_.find(key); known != images_.end()) return known->second;
    flags.data = flags_.data.string();
    const Splits splits = load_data(flags);
    return images_[key] = {.an_epoch = static_cast<double>(splits.train.size()) +
                                       kTestShare * static_cast<double>(splits.test.size()),
                           .input = to_string(splits.train.image_shape())};
  }

  const QueueFlags& flags_;
  std::map<std::string, std::optional<Speed>> speeds_;  // by a cell's name, and by speed_key()
  std::map<std::string, Images> images_;
};

}  // namespace

std::string dry_run_text(const std::vector<Run>& runs, const Results& results, const QueueFlags& flags) {
  Estimator estimator(results, flags);
  std::string text;
  double total = 0;
  std::size_t to_do = 0;
  std::size_t unknown = 0;
  for (const Run& run : runs) {
    const RunResult result = read_run(run);
    text += fmt::format("  {:<36} ", run.label());
    // What failed before it began is tried again.
    const bool failed = result.state == RunState::failed && std::filesystem::exists(RunFiles{run.folder}.config());
    if (result.state == RunState::finished || failed) {
      text += failed ? "failed: " + printable(result.reason, 1000) + "\n" : "done\n";
      continue;
    }
    ++to_do;
    if (result.epochs > 0) {
      text += fmt::format("{} of {} epochs done, ", result.epochs, value_of(run.cell->effective, "epochs"));
    }
    const auto speed = estimator.speed(*run.cell);
    if (!speed) {
      ++unknown;
      text += "time unknown: bench does not run this\n";
      continue;
    }
    const double seconds = estimator.images_left(result) / speed->images_per_second;
    total += seconds;
    text += fmt::format("{} at {:.0f} images/s ({})\n", clock_text(seconds), speed->images_per_second, speed->source);
  }
  return text + fmt::format("{} of {} runs to do, about {} with {} at a time on {} threads each{}\n", to_do,
                            runs.size(), clock_text(total / flags.jobs), flags.jobs, flags.threads,
                            unknown > 0 ? fmt::format(", and {} of unknown length", unknown) : "");
}

}  // namespace striate::cli

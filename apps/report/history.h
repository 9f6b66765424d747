#pragma once
// What runs left behind, epoch by epoch, for curves. Called by apps/report/report.cpp.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apps/cli/toml.h"

namespace striate::cli {

/// A run's CSV of epochs and its flags.
struct History {
  std::string name;  ///< as the page calls it
  std::filesystem::path folder;
  std::string series = {};  ///< of its CSV beside others in a folder: "p4cnn" of p4cnn-seed-0.csv; "metrics"
  std::string seed = {};
  Values flags = {};                                        ///< of config.toml; none where there is no such file
  std::map<std::string, std::vector<double>> columns = {};  ///< NaN where the file has nothing

  /// The values of a column; none of a column that is not there.
  [[nodiscard]] const std::vector<double>& values(const std::string& column) const;
  [[nodiscard]] std::size_t epochs() const { return values("epoch").size(); }
};

/// Runs that differ in their seeds alone.
struct Configuration {
  std::string name;
  std::vector<History> runs;

  /// Of a column by epoch, which not all runs may have got to.
  [[nodiscard]] std::map<double, std::vector<double>> by_epoch(const std::string& column) const;
  [[nodiscard]] std::string value(const std::string& flag) const;  ///< empty where it is not known
};

/// A whole file, of no more than 64 MiB. Throws FileError.
std::string text_in(const std::filesystem::path& file);

/// Whether an ablation wrote its report there.
bool is_ablation(const std::filesystem::path& folder);

/// The runs of a folder: its metrics.csv, else every CSV that begins with a column "epoch" (seed-0.csv), and of an
/// ablation those below runs/, where they are there. Throws FileError for a folder that holds neither, and for files
/// that cannot be read.
std::vector<History> read_histories(const std::filesystem::path& folder);

/// In the order in which the first of each came.
std::vector<Configuration> configurations(std::vector<History> histories);

}  // namespace striate::cli

#pragma once
// A small data set and a training run that takes a second.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/program.h"

namespace striate::testing_support {

/// A generated set of 300 training and 60 test images, drawn once for the test program, which removes it at its end.
inline const std::filesystem::path& small_data() {
  static const TempFolder folder;
  static const std::filesystem::path drawn = [] {
    auto path = folder.path() / "data";
    const Outcome outcome = striate({"generate", "--out", path.string(), "--train", "300", "--test", "60"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return path;
  }();
  return drawn;
}

/// `striate train` of a very narrow VGG11 into `out`, ten steps an epoch, with more flags behind.
inline std::vector<std::string> small_train(const std::filesystem::path& out,
                                            const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"train",
                                        "--model",
                                        "vgg11",
                                        "--width-multiplier",
                                        "0.0625",
                                        "--data",
                                        small_data().string(),
                                        "--out",
                                        out.string(),
                                        "--epochs",
                                        "3",
                                        "--batch-size",
                                        "32",
                                        "--threads",
                                        "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// metrics.csv without the columns that a clock decides.
inline std::string metrics_without_time(const std::filesystem::path& run) {
  std::string kept;
  std::istringstream lines(read_text(run / "metrics.csv"));
  for (std::string line; std::getline(lines, line);) {
    std::size_t end = line.size();
    for (int columns = 0; columns < 2; ++columns) end = line.rfind(',', end - 1);
    kept += line.substr(0, end) + "\n";
  }
  return kept;
}

inline std::string weights_of(const std::filesystem::path& run) { return read_text(run / "weights.safetensors"); }

}  // namespace striate::testing_support

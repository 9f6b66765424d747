#pragma once
// The folder of a training run: its files, and that one process at a time works in it. Trainer writes most of them;
// config.toml, log.txt and report.html are the command line's.

#include <filesystem>
#include <memory>
#include <string>

#include "core/error.h"

namespace striate {

/// The files of a run.
struct RunFiles {
  std::filesystem::path folder;
  [[nodiscard]] std::filesystem::path checkpoint() const { return folder / "checkpoint.safetensors"; }
  [[nodiscard]] std::filesystem::path weights() const { return folder / "weights.safetensors"; }
  /// Of an average of the weights, or of the best epoch: "ema", "swa", "best".
  [[nodiscard]] std::filesystem::path weights(const std::string& kind) const {
    return folder / ("weights_" + kind + ".safetensors");
  }
  [[nodiscard]] std::filesystem::path metrics() const { return folder / "metrics.csv"; }
  [[nodiscard]] std::filesystem::path config() const { return folder / "config.toml"; }
  [[nodiscard]] std::filesystem::path log() const { return folder / "log.txt"; }
  [[nodiscard]] std::filesystem::path report() const { return folder / "report.html"; }
};

/// Another process works in the folder.
class FolderBusy : public FileError {
 public:
  using FileError::FileError;
};

/// Holds a folder for this process, until the last copy goes or the process ends in whatever way.
class RunFolder : public RunFiles {
 public:
  /// Makes the folder where it is missing, locks it, and removes the temporary file of a process that was killed while
  /// it saved. Throws FolderBusy where another process holds the lock, FileError where this is no folder, or cannot be
  /// made or locked; on a file system that knows no locks it goes on, with a warning().
  explicit RunFolder(const std::filesystem::path& path);

  /// On a file system without locks, that nothing keeps a second process away; else empty.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  std::shared_ptr<const int> lock_;  // a descriptor of the folder, closed by the last copy
  std::string warning_;
};

/// Whether there is a checkpoint to resume from. Throws FileError where the folder holds a run and `resume` is false,
/// and where it is true and there are weights but no checkpoint.
bool holds_run_to_resume(const RunFiles& files, bool resume);

}  // namespace striate

#pragma once
// The folder of a training run: its files, and that one process at a time works in it.

#include <filesystem>
#include <string>

#include "core/error.h"

namespace striate::cli {

/// The files of a run.
struct RunFiles {
  std::filesystem::path folder;
  [[nodiscard]] std::filesystem::path checkpoint() const { return folder / "checkpoint.safetensors"; }
  [[nodiscard]] std::filesystem::path weights() const { return folder / "weights.safetensors"; }
  /// Of an average of the weights.
  [[nodiscard]] std::filesystem::path weights(const std::string& average) const {
    return folder / ("weights_" + average + ".safetensors");
  }
  [[nodiscard]] std::filesystem::path metrics() const { return folder / "metrics.csv"; }
  [[nodiscard]] std::filesystem::path config() const { return folder / "config.toml"; }
  [[nodiscard]] std::filesystem::path log() const { return folder / "log.txt"; }
};

/// Another process works in the folder.
class FolderBusy : public FileError {
 public:
  using FileError::FileError;
};

/// Holds the folder for this process, until it ends in whatever way.
class FolderLock {
 public:
  /// Makes the folder where it is missing, takes it, and removes what a process killed in the middle of a
  /// save left there. Throws FolderBusy where another process holds it, FileError where it is no folder, or cannot be
  /// made or locked.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  FolderLock(FolderLock&&) = delete;
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  int handle_ = -1;
};

}  // namespace striate::cli

#include "apps/training/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace striate {

namespace fs = std::filesystem;

// An advisory lock of the folder itself, which the system releases with the process.
class RunFolder::Lock {
 public:
  explicit Lock(const fs::path& folder) : handle_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (handle_ >= 0 && ::flock(handle_, LOCK_EX | LOCK_NB) == 0) return;
    const int why = errno;
    const bool opened = handle_ >= 0;
    if (opened) ::close(handle_);
    if (opened && why == EWOULDBLOCK) {
      throw FolderBusy(folder.string(), "another process works in this folder; wait for it or give another folder");
    }
    throw FileError(folder.string(), "the run's folder cannot be " + std::string(opened ? "locked" : "opened") + ": " +
                                         std::generic_category().message(why));
  }
  ~Lock() { ::close(handle_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  Lock(Lock&&) = delete;
  Lock& operator=(Lock&&) = delete;

 private:
  int handle_;
};

RunFolder::RunFolder(const fs::path& path) : RunFiles{path} {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error)) {
    throw FileError(path.string(), "expected a folder for the run, got a file; give another path");
  }
  fs::create_directories(path, error);
  if (error) throw FileError(path.string(), "the run's folder cannot be made: " + error.message());
  lock_ = std::make_shared<Lock>(path);
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".striate-") && name.ends_with(".tmp")) fs::remove(entry.path());
  }
}

bool holds_run_to_resume(const RunFiles& files, bool resume) {
  const bool checkpoint = fs::exists(files.checkpoint());
  const bool weights = fs::exists(files.weights());
  if (resume && (checkpoint || !weights)) return checkpoint;
  if (resume) {
    throw FileError(
        files.folder.string(),
        "holds the weights of a run, but no checkpoint to resume from; they are kept as they are: give another "
        "folder");
  }
  if (checkpoint || weights) {
    throw FileError(files.folder.string(), "already holds a run; " +
                                               std::string(checkpoint ? "resume it (--resume), " : "") +
                                               "give another folder, or remove it");
  }
  return false;
}

}  // namespace striate

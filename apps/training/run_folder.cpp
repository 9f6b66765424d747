#include "apps/training/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

#include "core/file.h"

namespace striate {

namespace fs = std::filesystem;

RunFolder::RunFolder(const fs::path& path) : RunFiles{path} {
  const auto fail = [&](const char* what, int why) {
    throw FileError(path.string(),
                    "the run's folder cannot be " + std::string(what) + ": " + std::generic_category().message(why));
  };
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error)) {
    throw FileError(path.string(), "expected a folder for the run, got a file; give another path");
  }
  make_folder(path);
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail("opened", errno);
  lock_ = std::shared_ptr<const int>(new int(folder), [](const int* handle) {
    ::close(*handle);
    delete handle;
  });
  // Advisory; the system releases it with the process.
  const int why = ::flock(folder, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  if (why == EWOULDBLOCK) {
    throw FolderBusy(path.string(), "another process works in this folder; wait for it or give another folder");
  }
  if (why == ENOLCK || why == EOPNOTSUPP || why == ENOSYS || why == EINVAL) {
    warning_ = path.string() + " is on a file system without locks (" + std::generic_category().message(why) +
               "): nothing keeps a second process from working in it at the same time, which would spoil the run";
  } else if (why != 0) {
    fail("locked", why);
  }
  // What a process that was killed left. Without locks another one may be writing it now, and only old ones go.
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(24);
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(".striate-") || !name.ends_with(".tmp")) continue;
    const auto written = fs::last_write_time(entry.path(), error);
    if (warning_.empty() || (!error && written < old)) fs::remove(entry.path(), error);
  }
}

bool holds_run_to_resume(const RunFiles& files, bool resume) {
  const bool checkpoint = fs::exists(files.checkpoint());
  const bool weights = fs::exists(files.weights());
  if (resume && (checkpoint || !weights)) return checkpoint;
  if (resume) {
    throw FileError(files.folder.string(),
                    "holds the weights of a run, but no checkpoint to resume from; they are kept as they are: give "
                    "another folder");
  }
  if (checkpoint || weights) {
    throw FileError(files.folder.string(), "already holds a run; " +
                                               std::string(checkpoint ? "resume it (--resume), " : "") +
                                               "give another folder, or remove it");
  }
  return false;
}

}  // namespace striate

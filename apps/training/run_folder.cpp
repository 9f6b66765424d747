#include "apps/training/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace striate::cli {

namespace fs = std::filesystem;

FolderLock::FolderLock(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    throw FileError(folder.string(), "--out must be a folder, this is a file; give another path");
  }
  fs::create_directories(folder, error);
  if (error) throw FileError(folder.string(), "--out cannot be made: " + error.message());
  handle_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle_ < 0 || ::flock(handle_, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    const bool opened = handle_ >= 0;
    if (opened) ::close(handle_);
    if (opened && why == EWOULDBLOCK) {
      throw FolderBusy(folder.string(), "another striate works in this --out; wait for it or give another one");
    }
    throw FileError(folder.string(), "--out cannot be " + std::string(opened ? "locked" : "opened") + ": " +
                                         std::generic_category().message(why));
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".striate-") && name.ends_with(".tmp")) fs::remove(entry.path());
  }
}

FolderLock::~FolderLock() { ::close(handle_); }

}  // namespace striate::cli

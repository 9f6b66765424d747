#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace striate {

namespace {

/// The system moves at most about 2 GiB a call.
constexpr std::size_t kMostPerCall = std::size_t{1} << 30U;

std::string advice(int error) {
  static const std::map<int, const char*> known = {
      {ENOSPC, "free some space on the disk, or choose a folder on another one"},
      {EDQUOT, "free some space within your quota, or choose another folder"},
      {EFBIG, "raise the file size limit (ulimit -f), or choose a file system that holds larger files"},
      {EACCES, "check the permissions of the file and its folder"},
      {EPERM, "check the permissions of the file and its folder"},
      {EROFS, "choose a folder on a file system that is not mounted read-only"},
      {ENOENT, "check the path; a folder on it may be missing"},
      {ENOTDIR, "a part of the path is a file: choose another folder"},
      {EEXIST, "a file is in the way: choose another folder"},
      {EISDIR, "give the path of a file"},
      {ENAMETOOLONG, "choose a shorter name"},
      {EMFILE, "close files, or raise the limit of open ones (ulimit -n)"},
      {ENFILE, "close files, or raise the limit of open ones (ulimit -n)"}};
  const auto found = known.find(error);
  return found == known.end() ? "check the path and its disk, then try again" : found->second;
}

[[noreturn]] void system_failure(const std::string& path, const std::string& what, int error) {
  throw FileError(path, what + ": " + std::generic_category().message(error) + "; " + advice(error));
}

/// So that what was renamed or made in the folder is there after a power cut.
void sync_folder(const std::string& folder, const std::string& target) {
  const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return;  // a folder may be writable and not readable
  const int error = ::fsync(handle) == 0 ? 0 : errno;
  ::close(handle);
  // EINVAL: the file system has nothing to sync for a folder.
  if (error != 0 && error != EINVAL) system_failure(target, "is written, but its folder cannot be synced", error);
}

std::string parent_of(const std::filesystem::path& path) {
  return path.parent_path().empty() ? "." : path.parent_path().string();
}

/// A file under a temporary name that goes away unless it is published.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& target) : target_(target.string()) {
    static std::atomic<unsigned> counter{0};
    struct stat there {};
    if (::stat(target_.c_str(), &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode)) {
      throw FileError(target_, "is a device or a pipe, which a new file would replace; give the path of a file");
    }
    folder_ = parent_of(target);
    // A process that was killed may have left its file under a number that the system gave us again.
    do {
      name_ = folder_ + "/.striate-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
      descriptor_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
    if (descriptor_ < 0) system_failure(target_, "cannot be written", errno);
  }

  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!published_) ::unlink(name_.c_str());
  }

  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void append(const void* bytes, std::size_t count) {
    const auto* next = static_cast<const char*>(bytes);
    while (count > 0 && error_ == 0) {
      const ssize_t written = ::write(descriptor_, next, std::min(count, kMostPerCall));
      if (written > 0) {
        next += written;
        count -= static_cast<std::size_t>(written);
      } else if (written == 0 || errno != EINTR) {
        error_ = written == 0 ? EIO : errno;
      }
    }
    check();
  }

  void publish() {
    check();  // a caller may have caught what append threw
    if (::fsync(descriptor_) != 0) system_failure(target_, "cannot be written", errno);
    if (::close(std::exchange(descriptor_, -1)) != 0) system_failure(target_, "cannot be written", errno);
    if (::rename(name_.c_str(), target_.c_str()) != 0) system_failure(target_, "cannot be replaced", errno);
    published_ = true;
    sync_folder(folder_, target_);
  }

 private:
  void check() const {
    if (error_ != 0) system_failure(target_, "cannot be written", error_);
  }

  std::string target_;
  std::string folder_;
  std::string name_;
  int descriptor_ = -1;
  int error_ = 0;
  bool published_ = false;
};

}  // namespace

void write_atomically(const std::filesystem::path& path, const std::function<void(const AppendBytes&)>& produce) {
  TemporaryFile file(path);
  produce([&file](const void* bytes, std::size_t count) { file.append(bytes, count); });
  file.publish();
}

void write_atomically(const std::filesystem::path& path, const std::string& text) {
  write_atomically(path, [&text](const AppendBytes& append) { append(text.data(), text.size()); });
}

void make_folder(const std::filesystem::path& path) {
  std::filesystem::path folder = path.lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // "runs/a/"
  std::error_code none;
  if (std::filesystem::is_directory(folder, none)) return;
  const std::filesystem::path parent = folder.parent_path();
  if (!parent.empty() && parent != folder) make_folder(parent);
  const int error = ::mkdir(folder.c_str(), 0777) == 0 ? 0 : errno;
  if (error == EEXIST && std::filesystem::is_directory(folder, none)) return;  // another process was faster
  if (error != 0) system_failure(folder.string(), "the folder cannot be made", error);
  sync_folder(parent_of(folder), folder.string());
}

std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path, std::uint64_t most) {
  InputFile file(path);
  if (file.size() > most) {
    throw FileError(path.string(), "has " + std::to_string(file.size()) + " bytes, and such a file has at most " +
                                       std::to_string(most) + "; give another file");
  }
  std::vector<std::uint8_t> bytes(file.size());
  file.read(bytes.data(), bytes.size());
  return bytes;
}

// O_NONBLOCK: to open a pipe that nobody writes to would wait for ever.
InputFile::InputFile(const std::filesystem::path& path)
    : path_(path.string()), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) system_failure(path_, "cannot be opened", errno);
  struct stat status {};
  const int error = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  if (error == 0 && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    return;
  }
  ::close(descriptor_);
  if (error != 0) system_failure(path_, "cannot be read", error);
  if (S_ISDIR(status.st_mode)) throw FileError(path_, "is a directory; give the path of a file");
  throw FileError(path_, "is a device or a pipe; give the path of a regular file");
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(void* bytes, std::size_t count) {
  auto* next = static_cast<char*>(bytes);
  while (count > 0) {
    const ssize_t got = ::read(descriptor_, next, std::min(count, kMostPerCall));
    if (got > 0) {
      next += got;
      count -= static_cast<std::size_t>(got);
    } else if (got == 0) {
      throw FileError(path_, "ends " + std::to_string(count) +
                                 " bytes too early: it is truncated or was changed while it was read; make it anew");
    } else if (errno != EINTR) {
      system_failure(path_, "cannot be read", errno);
    }
  }
}

}  // namespace striate

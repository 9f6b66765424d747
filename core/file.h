#pragma once
// Atomic writes, so that a file is either complete or absent, and reads whose errors say what to do. Used by
// core/safetensors, checkpoints and the files of a run.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace striate {

/// Writes to `path` by way of a temporary name in the same folder: written, synced, renamed, the folder
/// synced. `produce` is called with a function that appends bytes. On any failure the temporary file is
/// removed, what stood at `path` stays, and FileError names the path and the cause (a full disk, a missing
/// folder, no permission). Under a file size limit (ulimit -f) the system also sends SIGXFSZ, which ends a
/// process that does not ignore it: programs that want the FileError call signal(SIGXFSZ, SIG_IGN) first.
using AppendBytes = std::function<void(const void* bytes, std::size_t count)>;
void write_atomically(const std::filesystem::path& path, const std::function<void(const AppendBytes&)>& produce);
void write_atomically(const std::filesystem::path& path, const std::string& text);

/// Makes a folder and those above it where they are missing, each synced into the one above. Throws FileError.
void make_folder(const std::filesystem::path& path);

/// The whole file. Throws FileError where it cannot be opened or read, or has more bytes than `most`.
std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path,
                                     std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

/// A regular file open for reading from its start. Throws FileError with the path, the cause and what to do.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// In bytes, when the file was opened.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// The next `count` bytes; FileError where the file ends before.
  void read(void* bytes, std::size_t count);

 private:
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace striate

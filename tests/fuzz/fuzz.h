#pragma once
// What the fuzz targets share: files with the fuzzer's bytes, under the names that the readers look for. Each target
// catches what its reader's header promises to throw; anything else ends the program, and libFuzzer keeps the input.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace striate::fuzz {

namespace fs = std::filesystem;

inline std::string_view as_text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

/// A folder of this process, in memory where the system has one there; removed at the end.
class Folder {
 public:
  Folder() { fs::create_directories(path_); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  fs::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  fs::path path_ = (fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                   ("striate-fuzz-" + std::to_string(::getpid()));
};

inline const Folder& folder() {
  static const Folder only;
  return only;
}

/// Calls f, which may throw this kind of error.
template <class Error, class F>
int may_throw(F&& f) {
  try {
    f();
  } catch (const Error&) {
  }
  return 0;
}

}  // namespace striate::fuzz

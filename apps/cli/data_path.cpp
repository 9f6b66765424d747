#include "apps/cli/data_path.h"

#include <cstdlib>

#include "apps/cli/command_line.h"

namespace striate::cli {

std::filesystem::path data_path(const std::string& given, const std::string& format) {
  if (!given.empty()) return given;
  if (const char* data = std::getenv("STRIATE_DATA"); data != nullptr && *data != '\0') return data;
  if (const char* home = std::getenv("HOME"); home != nullptr) {
    const auto cached = std::filesystem::path(home) / ".cache/striate/cifar-10-batches-bin";
    if (std::filesystem::is_directory(cached)) return cached;
  }
  if (!format.empty()) return {};
  throw UsageError(
      "no data: give --data DIR or set STRIATE_DATA (./quickstart fetches CIFAR-10; `striate generate --out "
      "DIR` draws a set of its own)");
}

}  // namespace striate::cli

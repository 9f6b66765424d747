#include "apps/cli/data_path.h"

#include <cstdlib>

#include "apps/cli/command_line.h"
#include "core/named_options.h"
#include "data/dataset.h"

namespace striate::cli {

bool needs_path(const std::string& format) {
  return format.empty() || dataset_format(parse_name_and_options(format).name).recognises;
}

std::filesystem::path data_path(const std::string& given, const std::string& format) {
  if (!given.empty()) return given;
  if (const char* data = std::getenv("STRIATE_DATA"); data != nullptr && *data != '\0') return data;
  const std::string name = parse_name_and_options(format).name;
  if (const char* home = std::getenv("HOME"); home != nullptr && (name.empty() || name == "cifar10")) {
    const auto cached = std::filesystem::path(home) / ".cache/striate/cifar-10-batches-bin";
    if (std::filesystem::is_directory(cached)) return cached;
  }
  if (!needs_path(format)) return {};
  throw UsageError(
      "no data: give --data DIR or set STRIATE_DATA (./quickstart fetches CIFAR-10; `striate generate --out "
      "DIR` draws a set of its own)");
}

}  // namespace striate::cli

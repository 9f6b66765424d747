#pragma once
// What the built-in formats share: files are looked for in several folders; loading throws the first problem, `verify`
// collects all of them.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/dataset.h"

namespace striate {

/// Null to load: the first problem is thrown. Else problems are appended.
using Problems = std::vector<std::string>*;

/// Runs f(); what it throws as FileError is a problem.
template <class F>
void attempt(Problems problems, F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const FileError& error) {
    if (problems == nullptr) throw;
    problems->emplace_back(error.what());
  }
}

/// A format from one function that both loads and verifies: Dataset(path, split, options, Problems).
template <class F>
DatasetFormat format_of(const std::string& help, const std::function<bool(const std::filesystem::path&)>& recognises,
                        F read) {
  return {.help = help,
          .recognises = recognises,
          .load = [read](const auto& path, Split split,
                         const auto& options) { return read(path, split, options, nullptr); },
          .verify = [read](const auto& path, Split split, const auto& options,
                           std::vector<std::string>& problems) { return read(path, split, options, &problems); }};
}

/// The first of the folder itself and these subfolders that holds any of the files.
inline std::optional<std::filesystem::path> folder_with(const std::vector<std::string>& files,
                                                        const std::filesystem::path& folder,
                                                        const std::vector<std::string>& subfolders) {
  const auto holds_any = [&](const std::filesystem::path& place) {
    return std::any_of(files.begin(), files.end(), [&](const std::string& file) {
      std::error_code ignored;
      return std::filesystem::exists(place / file, ignored);
    });
  };
  if (holds_any(folder)) return folder;
  for (const std::string& subfolder : subfolders) {
    if (holds_any(folder / subfolder)) return folder / subfolder;
  }
  return std::nullopt;
}

}  // namespace striate

#pragma once
// What tests of `striate ablate` ask its output and its folder.

#include <filesystem>
#include <set>
#include <string>

namespace striate::testing_support {

/// The runs below `out`: "+mix/seed-1".
inline std::set<std::string> runs_in(const std::filesystem::path& out) {
  std::set<std::string> runs;
  for (const auto& cell : std::filesystem::directory_iterator(out / "runs")) {
    for (const auto& run : std::filesystem::directory_iterator(cell)) {
      runs.insert((cell.path().filename() / run.path().filename()).string());
    }
  }
  return runs;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace striate::testing_support

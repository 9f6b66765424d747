#pragma once
// Few cases that try every pair of options together.

#include <cstddef>
#include <set>
#include <utility>
#include <vector>

namespace striate::testing_support {

/// Rows of choices, row[i] in 0 .. levels[i]-1, such that any two choices of different options share a row.
/// Greedy: each row starts with a pair that none had, and takes for every other option what covers most.
inline std::vector<std::vector<int>> pairwise(const std::vector<int>& levels) {
  using Choice = std::pair<std::size_t, int>;
  std::set<std::pair<Choice, Choice>> missing;
  for (std::size_t a = 0; a < levels.size(); ++a) {
    for (std::size_t b = a + 1; b < levels.size(); ++b) {
      for (int i = 0; i < levels[a]; ++i) {
        for (int j = 0; j < levels[b]; ++j) missing.insert({{a, i}, {b, j}});
      }
    }
  }
  const auto gain = [&](const std::vector<int>& row, const Choice& choice) {
    std::size_t covered = 0;
    for (std::size_t k = 0; k < row.size(); ++k) {
      if (row[k] < 0 || k == choice.first) continue;
      const Choice other{k, row[k]};
      covered += missing.count(k < choice.first ? std::pair{other, choice} : std::pair{choice, other});
    }
    return covered;
  };
  std::vector<std::vector<int>> rows;
  while (!missing.empty()) {
    std::vector<int> row(levels.size(), -1);
    const auto start = *missing.begin();
    row[start.first.first] = start.first.second;
    row[start.second.first] = start.second.second;
    for (std::size_t k = 0; k < row.size(); ++k) {
      if (row[k] >= 0) continue;
      // Ties go round with the row, so that no choice is the answer to all of them.
      const int first = static_cast<int>(rows.size()) % levels[k];
      int best = first;
      for (int i = 0; i < levels[k]; ++i) {
        const int choice = (first + i) % levels[k];
        if (gain(row, {k, choice}) > gain(row, {k, best})) best = choice;
      }
      row[k] = best;
    }
    for (std::size_t a = 0; a < row.size(); ++a) {
      for (std::size_t b = a + 1; b < row.size(); ++b) missing.erase({{a, row[a]}, {b, row[b]}});
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace striate::testing_support

#include "tests/support/pairwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace striate {
namespace {

TEST(Pairwise, EveryPairSharesARow) {
  const std::vector<int> levels = {4, 4, 2, 3, 2, 3};
  const auto rows = testing_support::pairwise(levels);
  EXPECT_LE(rows.size(), 24U);
  for (std::size_t a = 0; a < levels.size(); ++a) {
    for (std::size_t b = a + 1; b < levels.size(); ++b) {
      for (int i = 0; i < levels[a]; ++i) {
        for (int j = 0; j < levels[b]; ++j) {
          EXPECT_TRUE(
              std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row[a] == i && row[b] == j; }));
        }
      }
    }
  }
}

}  // namespace
}  // namespace striate

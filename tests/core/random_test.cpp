#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace striate {
namespace {

// The known answers that came with Random123 (kat_vectors, philox4x32 10).
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_EQ(philox(0, 0, 0), (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint64_t ones = ~std::uint64_t{0};
  EXPECT_EQ(philox(ones, ones, ones), (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  // Counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0: the digits of pi.
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, MomentsOfUniformAndNormal) {
  const RandomStream stream = random_stream(5, RandomUse::test);
  constexpr int count = 200000;
  double uniform = 0, uniform2 = 0, normal = 0, normal2 = 0, normal4 = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double u = stream.uniform(i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    const double z = stream.normal(i);
    uniform += u;
    uniform2 += u * u;
    normal += z;
    normal2 += z * z;
    normal4 += z * z * z * z;
  }
  // Five standard errors each.
  const double root = std::sqrt(static_cast<double>(count));
  EXPECT_NEAR(uniform / count, 0.5, 5 * 0.289 / root);
  EXPECT_NEAR(uniform2 / count, 1.0 / 3, 5 * 0.298 / root);
  EXPECT_NEAR(normal / count, 0, 5 / root);
  EXPECT_NEAR(normal2 / count, 1, 5 * 1.42 / root);
  EXPECT_NEAR(normal4 / count, 3, 5 * 9.8 / root);
}

TEST(Random, BelowIsEven) {
  const RandomStream stream = random_stream(6, RandomUse::test);
  std::vector<int> counts(10);
  for (std::uint64_t i = 0; i < 100000; ++i) ++counts[static_cast<std::size_t>(stream.below(i, 10))];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 5 * 95);
}

TEST(Random, StreamsDiffer) {
  std::set<std::uint64_t> seen;
  for (const RandomUse use : {RandomUse::generator, RandomUse::shuffle, RandomUse::augment, RandomUse::mixup}) {
    for (std::uint64_t a = 0; a < 4; ++a) {
      for (std::uint64_t b = 0; b < 4; ++b) seen.insert(random_stream(1, use, a, b).bits(0));
    }
  }
  EXPECT_EQ(seen.size(), 64U);
  EXPECT_NE(random_stream(1, RandomUse::test).bits(0), random_stream(2, RandomUse::test).bits(0));
}

TEST(Random, PermutationHoldsEveryNumberOnce) {
  for (const std::int64_t n : {0, 1, 2, 1000}) {
    auto order = permutation(random_stream(3, RandomUse::shuffle, 1), n);
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(static_cast<std::int64_t>(order.size()), n);
  }
  EXPECT_NE(permutation(random_stream(3, RandomUse::shuffle, 1), 100),
            permutation(random_stream(3, RandomUse::shuffle, 2), 100));
}

TEST(Random, TheGeneratorsStateIsTwoNumbers) {
  manual_seed(7);
  Generator& generator = default_generator();
  static_cast<void>(generator.next());
  const Generator saved = generator;
  const double here = generator.next().uniform(0);
  generator = saved;
  EXPECT_EQ(generator.next().uniform(0), here);
  EXPECT_NE(generator.next().uniform(0), here);
}

}  // namespace
}  // namespace striate

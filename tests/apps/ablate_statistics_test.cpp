// Student's t against tables, closed forms and its density; Welch's interval against an independent calculation.

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "apps/ablate/statistics.h"

namespace striate::cli {
namespace {

TEST(Statistics, MeanAndDeviation) {
  EXPECT_DOUBLE_EQ(mean({1, 2, 6}), 3);
  EXPECT_DOUBLE_EQ(standard_deviation({1, 2, 6}), std::sqrt(7.0));
}

// Three decimals, as printed tables have them.
TEST(Statistics, QuantilesOfStudentsTFromATable) {
  struct Entry {
    double p, freedom, t;
  };
  for (const Entry& entry :
       {Entry{0.975, 1, 12.706}, Entry{0.975, 2, 4.303}, Entry{0.975, 3, 3.182}, Entry{0.975, 4, 2.776},
        Entry{0.975, 5, 2.571}, Entry{0.975, 10, 2.228}, Entry{0.975, 30, 2.042}, Entry{0.975, 120, 1.980},
        Entry{0.95, 1, 6.314}, Entry{0.95, 7, 1.895}, Entry{0.995, 2, 9.925}, Entry{0.995, 15, 2.947},
        Entry{0.9995, 4, 8.610}, Entry{0.9, 20, 1.325}, Entry{0.975, 1e7, 1.960}}) {
    EXPECT_NEAR(student_t_quantile(entry.p, entry.freedom), entry.t, 5e-4) << entry.p << " " << entry.freedom;
  }
}

// With one degree of freedom t = tan(pi (p - 1/2)), with two (2p - 1) / sqrt(2 p (1 - p)).
TEST(Statistics, QuantilesOfStudentsTInClosedForm) {
  for (const double p : {0.5, 0.6, 0.9, 0.999}) {
    const double one = std::tan(std::numbers::pi * (p - 0.5));
    const double two = (2 * p - 1) / std::sqrt(2 * p * (1 - p));
    EXPECT_NEAR(student_t_quantile(p, 1), one, 1e-9 * std::max(1.0, std::abs(one)));
    EXPECT_NEAR(student_t_quantile(p, 2), two, 1e-9 * std::max(1.0, std::abs(two)));
  }
}

// Between whole numbers, where Welch's degrees of freedom lie: Simpson's rule over the density from 0 to the
// quantile must give p - 1/2. Its error is far below the bound with so many points.
TEST(Statistics, QuantilesOfStudentsTWithAnyDegreesOfFreedom) {
  for (const double v : {0.8, 1.5, 2.2, 3.7, 9.9, 24.6}) {
    const double t = student_t_quantile(0.975, v);
    const double factor = std::exp(std::lgamma((v + 1) / 2) - std::lgamma(v / 2)) / std::sqrt(v * std::numbers::pi);
    const auto density = [&](double x) { return factor * std::pow(1 + x * x / v, -(v + 1) / 2); };
    constexpr int points = 20000;
    double sum = density(0) + density(t);
    for (int i = 1; i < points; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(t * i / points);
    EXPECT_NEAR(sum * t / points / 3, 0.475, 1e-10) << v;
  }
}

// By Python: statistics.variance, Welch and Satterthwaite's formula, and t's quantile by bisection on Simpson's
// rule. The first pair is Rosetta Code's example of Welch's test, whose p, 0.021378, the same script finds.
TEST(Statistics, WelchsInterval) {
  const std::vector<double> a = {27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1,
                                 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4};
  const std::vector<double> b = {27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0,
                                 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4};
  const auto long_one = welch_interval(a, b);
  ASSERT_TRUE(long_one);
  EXPECT_NEAR(long_one->centre, -2.1666666666667, 1e-12);
  EXPECT_NEAR(long_one->half_width, 1.8174296004733, 1e-9);
  EXPECT_TRUE(long_one->resolved());

  const auto seeds = welch_interval({0.912, 0.909, 0.915}, {0.904, 0.908, 0.903});
  ASSERT_TRUE(seeds);
  EXPECT_NEAR(seeds->centre, 0.007, 1e-12);
  EXPECT_NEAR(seeds->half_width, 0.0064516307390, 1e-10);
  EXPECT_TRUE(seeds->resolved());

  const auto unequal = welch_interval({0.5, 0.7}, {0.61, 0.62, 0.6});
  ASSERT_TRUE(unequal);
  EXPECT_NEAR(unequal->half_width, 1.2529741425028, 1e-9);
  EXPECT_FALSE(unequal->resolved());
}

TEST(Statistics, IntervalsNeedTwoValuesASide) {
  EXPECT_FALSE(welch_interval({1, 2}, {3}));
  EXPECT_FALSE(welch_interval({1}, {3, 4}));
  EXPECT_FALSE(mean_interval({1}));
  const auto interval = mean_interval({1, 2, 6});
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->half_width, 4.302652729911 * std::sqrt(7.0 / 3), 1e-9);
  const auto without_spread = welch_interval({2, 2}, {1, 1});
  ASSERT_TRUE(without_spread);
  EXPECT_EQ(without_spread->half_width, 0);
  EXPECT_TRUE(without_spread->resolved());
}

}  // namespace
}  // namespace striate::cli

// Student's t against tables, closed forms and its density; all of it against SciPy and statsmodels, whose numbers are
// in tests/reference/ablate_statistics.csv.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

#include "apps/ablate/statistics.h"
#include "apps/training/csv.h"
#include "tests/support/files.h"

namespace striate::cli {
namespace {

std::vector<double> numbers_in(const std::string& text) {
  std::istringstream words(text);
  std::vector<double> numbers;
  for (std::string word; words >> word;) numbers.push_back(std::stod(word));
  return numbers;
}

// What a line of the references should give: its interval's ends and p, or a number for each p of a family.
std::vector<double> ours(const std::string& kind, const std::vector<double>& a, const std::vector<double>& b) {
  if (kind == "two-sided") return {student_t_two_sided(a.at(0), b.at(0))};
  if (kind == "quantile") return {student_t_quantile(a.at(0), b.at(0))};
  if (kind == "holm") return holm_adjusted(a);
  if (kind == "welch") {
    const auto interval = welch_interval(a, b);
    return interval ? std::vector<double>{interval->low(), interval->high()} : std::vector<double>{};
  }
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  const auto test = paired_test(differences);
  return test ? std::vector<double>{test->interval.low(), test->interval.high(), test->p} : std::vector<double>{};
}

TEST(Statistics, AsSciPyAndStatsmodels) {
  const auto lines = csv_lines(testing_support::read_text(STRIATE_SOURCE_DIR "/tests/reference/ablate_statistics.csv"));
  std::map<std::string, int> seen;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto& line = lines[i];
    SCOPED_TRACE("line " + std::to_string(i + 1) + ": " + line[0] + " of " + line[1] + " and " + line[2]);
    ++seen[line[0]];
    const std::vector<double> a = numbers_in(line[1]);
    const std::vector<double> b = numbers_in(line[2]);
    std::vector<double> expected = numbers_in(line[3]);
    if (line[0] == "welch") expected.pop_back();  // its p is not ours
    const std::vector<double> found = ours(line[0], a, b);
    ASSERT_EQ(found.size(), expected.size());
    // The logarithms of gamma functions of so many degrees of freedom lose digits in their difference.
    const bool many = line[0] != "holm" && !b.empty() && b[0] > 1e4;
    for (std::size_t k = 0; k < expected.size(); ++k) {
      EXPECT_NEAR(found[k], expected[k], (many ? 1e-6 : 1e-9) * std::max(std::abs(expected[k]), 1e-4)) << k;
    }
  }
  EXPECT_EQ(seen, (std::map<std::string, int>{
                      {"holm", 5}, {"paired", 15}, {"quantile", 42}, {"two-sided", 64}, {"welch", 15}}));
}

TEST(Statistics, TailsOfStudentsT) {
  // With one degree of freedom 1 - 2 atan(t) / pi, with two 1 - t / sqrt(2 + t^2): far out 1 / t^2.
  for (const double t : {0.0, 0.3, 1.0, 7.0}) {
    EXPECT_NEAR(student_t_two_sided(t, 1), 1 - 2 * std::atan(t) / std::numbers::pi, 1e-14);
    EXPECT_NEAR(student_t_two_sided(t, 2), 1 - t / std::sqrt(2 + t * t), 1e-14);
    EXPECT_EQ(student_t_two_sided(-t, 5), student_t_two_sided(t, 5));
  }
  EXPECT_NEAR(student_t_two_sided(1e8, 2), 1e-16, 1e-22);
  EXPECT_EQ(student_t_two_sided(1e200, 2), 0);
  EXPECT_EQ(student_t_two_sided(INFINITY, 2), 0);
  for (const double v : {1.0, 4.5, 20.0})
    EXPECT_NEAR(student_t_two_sided(student_t_quantile(0.975, v), v), 0.05, 1e-12);
}

// Pairs that go up and down together: the paired interval is narrow, Welch's is not.
TEST(Statistics, PairsTakeOutWhatTheyShare) {
  const std::vector<double> a = {0.61, 0.72, 0.83};
  const std::vector<double> b = {0.60, 0.70, 0.82};
  const auto paired = paired_test({a[0] - b[0], a[1] - b[1], a[2] - b[2]});
  const auto welch = welch_interval(a, b);
  ASSERT_TRUE(paired && welch);
  EXPECT_NEAR(paired->interval.centre, welch->centre, 1e-12);
  EXPECT_LT(paired->interval.half_width, 0.02);
  EXPECT_GT(welch->half_width, 0.2);
  // t = 4 with two degrees of freedom.
  EXPECT_NEAR(paired->p, 1 - 4 / std::sqrt(18.0), 1e-9);
}

TEST(Statistics, PairedTestOfFewAndOfEqualDifferences) {
  EXPECT_FALSE(paired_test({}));
  EXPECT_FALSE(paired_test({0.1}));
  EXPECT_EQ(paired_test({0.25, 0.25})->p, 0);
  EXPECT_TRUE(paired_test({0.25, 0.25})->interval.resolved());
  EXPECT_EQ(paired_test({0, 0, 0})->p, 1);
  EXPECT_FALSE(paired_test({0, 0, 0})->interval.resolved());
}

TEST(Statistics, HolmOfNothingAndOfOne) {
  EXPECT_TRUE(holm_adjusted({}).empty());
  EXPECT_EQ(holm_adjusted({0.3}), std::vector<double>{0.3});
  EXPECT_EQ(holm_adjusted({0.9, 0.6}), (std::vector<double>{1, 1}));
}

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

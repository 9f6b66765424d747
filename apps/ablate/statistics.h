#pragma once
// Whether two samples differ: means, standard deviations, confidence intervals by Student and Welch, the paired t test
// and Holm's correction. Called by apps/ablate/deltas.cpp, report.cpp and chart.cpp.

#include <optional>
#include <vector>

namespace striate::cli {

/// Of one value or more.
double mean(const std::vector<double>& values);

/// Of a sample of two values or more: divided by n - 1.
double standard_deviation(const std::vector<double>& values);

/// The value below which Student's t with so many degrees of freedom (any number above 0) lies with probability
/// p, 0.5 <= p < 1: the inverse of F(t) = 1 - I(v / (v + t^2); v/2, 1/2) / 2, with I the regularised incomplete beta
/// function.
double student_t_quantile(double p, double degrees_of_freedom);

/// The probability that Student's t with so many degrees of freedom is as far from 0 as t, on either side:
/// I(v / (v + t^2); v/2, 1/2), the p-value of a two-sided test.
double student_t_two_sided(double t, double degrees_of_freedom);

struct Interval {
  double centre = 0;
  double half_width = 0;
  [[nodiscard]] double low() const { return centre - half_width; }
  [[nodiscard]] double high() const { return centre + half_width; }
  /// That the interval does not hold zero.
  [[nodiscard]] bool resolved() const { return low() > 0 || high() < 0; }
};

/// The 95% interval of the mean of a sample: mean +- t(0.975, n-1) s / sqrt(n). None below two values.
std::optional<Interval> mean_interval(const std::vector<double>& values);

/// The 95% interval of mean(a) - mean(b) by Welch: variances may differ, degrees of freedom by Welch and
/// Satterthwaite, (u+v)^2 / (u^2/(n_a-1) + v^2/(n_b-1)) with u = s_a^2/n_a and v = s_b^2/n_b. None where
/// either side has fewer than two values.
std::optional<Interval> welch_interval(const std::vector<double>& a, const std::vector<double>& b);

/// Student's paired t test.
struct PairedTest {
  Interval interval;  ///< mean_interval of the differences
  double p = 1;       ///< two-sided, that a mean so far from 0 came by chance: t = mean / (s / sqrt(n)), n - 1 degrees
};

/// Of the differences of the pairs. Differences that are all the same have p = 0, or 1 where they are 0. None below
/// two.
std::optional<PairedTest> paired_test(const std::vector<double>& differences);

/// Adjusted p-values of a family of tests, in the order given ("A simple sequentially rejective multiple test
/// procedure", Holm 1979): of m tests, the k-th smallest p becomes the largest of (m - j + 1) p_j over j <= k, at most
/// 1. Taking those below 0.05 for real makes a single mistake in the family with a probability of 5 % at most, whatever
/// the tests have to do with each other.
std::vector<double> holm_adjusted(const std::vector<double>& p);

}  // namespace striate::cli

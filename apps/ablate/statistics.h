#pragma once
// Whether two samples differ: means, standard deviations and confidence intervals by Student and Welch. Called by
// apps/ablate/report.cpp and chart.cpp.

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

}  // namespace striate::cli

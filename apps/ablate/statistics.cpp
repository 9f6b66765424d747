#include "apps/ablate/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace striate::cli {
namespace {

// The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method; converges fast for
// x < (a + 1) / (a + b + 2).
double beta_fraction(double x, double a, double b) {
  constexpr double tiny = std::numeric_limits<double>::min();
  constexpr int most = 10000;
  const auto away_from_zero = [](double value) { return std::abs(value) < tiny ? tiny : value; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m < most; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double factor = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      factor = c * d;
      fraction *= factor;
    }
    if (std::abs(factor - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return fraction;
}

// I(x; a, b), with x and 1 - x both given, since either may be too close to 1 to tell.
double regularised_beta(double x, double rest, double a, double b) {
  if (x <= 0) return 0;
  if (rest <= 0) return 1;
  const double log_front = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(rest);
  if (x < (a + 1) / (a + b + 2)) return std::exp(log_front) * beta_fraction(x, a, b) / a;
  return 1 - std::exp(log_front) * beta_fraction(rest, b, a) / b;
}

// s^2 / n.
double squared_error(const std::vector<double>& values) {
  const double deviation = standard_deviation(values);
  return deviation * deviation / static_cast<double>(values.size());
}

// Where no value differs from its mean there is no width, whatever the degrees of freedom.
Interval interval(double centre, double squared_error, double degrees_of_freedom) {
  if (squared_error == 0) return {.centre = centre};
  return {.centre = centre, .half_width = student_t_quantile(0.975, degrees_of_freedom) * std::sqrt(squared_error)};
}

}  // namespace

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(const std::vector<double>& values) {
  const double centre = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double student_t_two_sided(double t, double degrees_of_freedom) {
  const double square = t * t;
  if (!std::isfinite(square)) return 0;
  const double sum = degrees_of_freedom + square;
  return regularised_beta(degrees_of_freedom / sum, square / sum, degrees_of_freedom / 2, 0.5);
}

double student_t_quantile(double p, double degrees_of_freedom) {
  const auto is_below = [&](double t) { return student_t_two_sided(t, degrees_of_freedom) / 2 > 1 - p; };
  double low = 0;
  double high = 1;
  while (is_below(high) && std::isfinite(high * high)) high *= 2;
  for (double middle = high / 2; middle > low && middle < high; middle = low + (high - low) / 2) {
    (is_below(middle) ? low : high) = middle;
  }
  return low;
}

std::optional<Interval> mean_interval(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  return interval(mean(values), squared_error(values), static_cast<double>(values.size() - 1));
}

std::optional<Interval> welch_interval(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 2 || b.size() < 2) return std::nullopt;
  const double u = squared_error(a);
  const double v = squared_error(b);
  const double share = u / (u + v);
  const double rest = v / (u + v);
  const double freedom =
      1 / (share * share / static_cast<double>(a.size() - 1) + rest * rest / static_cast<double>(b.size() - 1));
  return interval(mean(a) - mean(b), u + v, freedom);
}

std::optional<PairedTest> paired_test(const std::vector<double>& differences) {
  const auto found = mean_interval(differences);
  if (!found) return std::nullopt;
  const double error = std::sqrt(squared_error(differences));
  if (error == 0) return PairedTest{.interval = *found, .p = found->centre == 0 ? 1.0 : 0.0};
  return PairedTest{.interval = *found,
                    .p = student_t_two_sided(found->centre / error, static_cast<double>(differences.size() - 1))};
}

std::vector<double> holm_adjusted(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    largest = std::max(largest, static_cast<double>(order.size() - k) * p[order[k]]);
    adjusted[order[k]] = std::min(1.0, largest);
  }
  return adjusted;
}

}  // namespace striate::cli

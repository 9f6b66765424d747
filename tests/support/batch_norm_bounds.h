#pragma once
// How far batch norm in low precision may be from f64, value by value, to first order in u = 2^-24:
//
// - Statistics come from deviations x - guess, the guess being the mean of 8 rows in a row: at most G from the mean.
//   They are rounded once and added in f32 for 16 rows, then in f64: 17 roundings for their mean, 19 for that of their
//   squares, from which the mean's slip, at most 2 G, is taken twice. The mean is stored in f32.
// - 1 / sqrt(var + eps) and its product with the weight are rounded; what follows is counted where it stands.
// - Sums over rows on the way back are f32 for 16 rows, too.

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/rounding.h"

namespace striate::testing_support {

/// What may be wrong with y and the gradients of x, weight and bias.
struct BatchNormErrors {
  std::vector<double> y, dx, dw, db;
};

/// x, dy (rows, channels) and the parameters as f64 values, the statistics being those of x in training.
struct BatchNormCase {
  std::vector<double> x, dy, weight, bias, mean, var;
  double eps;
  bool training;

  [[nodiscard]] BatchNormErrors errors() const {
    BatchNormErrors all{x, x, weight, weight};
    for (std::size_t c = 0; c < weight.size(); ++c) channel(c, all);
    return all;
  }

 private:
  [[nodiscard]] double farthest_guess(std::size_t c) const {
    const std::size_t step = weight.size(), rows = x.size() / step, few = std::min<std::size_t>(8, rows);
    double farthest = 0;
    for (std::size_t first = 0; first + few <= rows; ++first) {
      double sum = 0;
      for (std::size_t i = first; i < first + few; ++i) sum += x[i * step + c] - mean[c];
      farthest = std::max(farthest, std::abs(sum) / static_cast<double>(few));
    }
    return farthest;
  }

  void channel(std::size_t c, BatchNormErrors& all) const {
    constexpr double u = 0x1p-24;
    const std::size_t step = weight.size(), count = x.size() / step;
    const auto rows = static_cast<double>(count);
    double spread = 0;                                      // of x
    double size = 0, product = 0, sum = 0, covariance = 0;  // of dy, and times x - mean
    for (std::size_t i = c; i < x.size(); i += step) {
      spread += std::abs(x[i] - mean[c]) / rows;
      size += std::abs(dy[i]) / rows;
      product += std::abs(dy[i] * (x[i] - mean[c])) / rows;
      sum += dy[i] / rows;
      covariance += dy[i] * (x[i] - mean[c]) / rows;
    }
    const double slip = training ? farthest_guess(c) : 0;
    const double mean_error = training ? u * std::abs(mean[c]) + gamma(17, u) * (spread + slip) : 0;
    const double square = std::pow(std::sqrt(var[c]) + slip, 2);
    const double var_error = training ? gamma(19, u) * square + 4 * slip * gamma(17, u) * (spread + slip) : 0;
    const double inverse = 1 / std::sqrt(var[c] + eps);
    const double inverse_error = var_error * inverse * inverse / 2 + u;  // relative
    const double scale = inverse * std::abs(weight[c]), scale_error = inverse_error + u;
    const double sum_error = gamma(17, u) * size;
    const double covariance_error = size * mean_error + gamma(18, u) * product;
    const double slope = training ? std::abs(covariance) * inverse * inverse : 0;
    const double slope_error = training ? covariance_error * inverse * inverse + slope * (2 * inverse_error + u) : 0;
    const double level = training ? std::abs(sum) : 0, level_error = training ? sum_error : 0;
    for (std::size_t i = c; i < x.size(); i += step) {
      const double deviation = std::abs(x[i] - mean[c]), normalised = deviation * scale;
      // The difference, its product with the scale, the shift.
      all.y[i] = mean_error * scale + normalised * (scale_error + 2 * u) + u * (normalised + std::abs(bias[c]));
      // ((dy - level) - deviation * slope) * scale: two differences and two products.
      const double centred = std::abs(dy[i]) + level, tilt = deviation * slope;
      all.dx[i] = scale * (level_error + deviation * slope_error + slope * mean_error + 2 * u * tilt + u * centred +
                           (scale_error + 2 * u) * (centred + tilt));
    }
    all.dw[c] = rows * inverse * (covariance_error + std::abs(covariance) * (inverse_error + u));
    all.db[c] = rows * (sum_error + u * std::abs(sum));
  }
};

}  // namespace striate::testing_support

#pragma once
// How far rounding may take a result from its exact value, from the arithmetic alone. A term that passes k roundings
// of relative size u ends within gamma_k = k u / (1 - k u) of itself, so a sum of terms ends within gamma_k times the
// sum of their magnitudes, in whatever order they are added (Higham, "Accuracy and Stability of Numerical
// Algorithms", 2nd edition, 2002, sections 3.1 and 4.2). A sum of n products takes n roundings at most: one for the
// product, n - 1 for the additions.

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/support/op_checks.h"

namespace striate::testing_support {

inline double gamma(double k, double u) { return k * u / (1 - k * u); }

/// What a term passes on its way into a result.
struct Roundings {
  double steps;               ///< in the type of the sums: f64 for f64, else f32
  int operands = 0;           ///< before, of operands to the dtype of the activations
  DType result = DType::f32;  ///< the dtype that the result is stored in
};

/// Half an ulp of 1 in the type that sums of these activations have.
inline double sum_roundoff(DType activations) { return rounding(parameter_dtype(activations)).rtol; }

/// The error of what is off by `error` already and is stored in this dtype.
inline double stored_error(DType dtype, double exact, double error) {
  return error + rounding(dtype).rtol * (std::abs(exact) + error) + rounding(dtype).atol;
}

/// The most that a result may be off whose terms have magnitudes that add up to `size`.
inline double worst_error(DType activations, const Roundings& path, double exact, double size) {
  const double terms = 1 + gamma(path.steps, sum_roundoff(activations));
  const double sum = (terms * std::pow(1 + rounding(activations).rtol, path.operands) - 1) * size;
  return path.result == parameter_dtype(activations) ? sum : stored_error(path.result, exact, sum);
}

/// Expects every value within its error; what is not a number is not.
template <class T>
void expect_within(const std::vector<T>& got, const std::vector<double>& exact, const std::vector<double>& allowed) {
  ASSERT_EQ(got.size(), exact.size());
  std::size_t bad = 0, worst = 0;
  const auto over = [&](std::size_t i) { return std::abs(static_cast<double>(got[i]) - exact[i]) - allowed[i]; };
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (over(i) <= 0) continue;
    if (++bad == 1 || !(over(i) <= over(worst))) worst = i;
  }
  if (bad == 0) return;
  ADD_FAILURE() << bad << " of " << got.size() << " values are off by more than rounding; the worst is " << worst
                << ": " << static_cast<double>(got[worst]) << " against " << exact[worst] << " where " << allowed[worst]
                << " is allowed";
}

/// f of every value, in f64.
inline Tensor mapped(const Tensor& tensor, double (*f)(double)) {
  Tensor result = converted(tensor, DType::f64);
  auto* values = result.mutable_data<double>();
  for (std::int64_t i = 0; i < result.numel(); ++i) values[i] = f(values[i]);
  return result;
}

/// Holds an op that sums products of its inputs, or of them and dy, against the same op in f64: what that makes of
/// magnitudes are the sums of its terms' magnitudes. paths[0] is for y, paths[i + 1] for the gradient of input i.
inline void expect_within_rounding(const Op& op, const std::vector<Tensor>& inputs,
                                   const std::vector<Roundings>& paths) {
  ASSERT_EQ(paths.size(), inputs.size() + 1);
  const Tensor probe = op(inputs);
  const Tensor dy = random_tensor(probe.shape(), 99, probe.dtype());
  const auto in_f64 = [&](double (*f)(double)) {
    std::vector<Tensor> all;
    for (const Tensor& input : inputs) all.push_back(mapped(input, f));
    return run_op(op, all, mapped(dy, f));
  };
  const OpRun low = run_op(op, inputs, dy);
  const OpRun exact = in_f64([](double value) { return value; });
  const OpRun sizes = in_f64([](double value) { return std::abs(value); });
  const auto check = [&](const Tensor& got, const Tensor& truth, const Tensor& size, const Roundings& path) {
    std::vector<double> allowed = size.to_vector();
    const std::vector<double> values = truth.to_vector();
    for (std::size_t i = 0; i < values.size(); ++i) {
      allowed[i] = worst_error(probe.dtype(), path, values[i], allowed[i]);
    }
    expect_within(got.to_vector(), values, allowed);
  };
  {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "output");
    EXPECT_EQ(low.y.dtype(), probe.dtype());
    check(low.y, exact.y, sizes.y, paths[0]);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "gradient of input " + std::to_string(i));
    EXPECT_EQ(low.gradients[i].dtype(), inputs[i].dtype());
    check(low.gradients[i], exact.gradients[i], sizes.gradients[i], paths[i + 1]);
  }
}

}  // namespace striate::testing_support

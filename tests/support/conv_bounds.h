#pragma once
// How far each algorithm of convolution may be from the f64 reference, from its arithmetic alone. Two bounds:
//
// - every value: tests/support/rounding.h with the sum of the magnitudes of the terms behind it. With Winograd these
//   are |A'| (|G||w||G'| . |B'||x||B|) |A| forward and |G'| (|A||dy||A'| . |B'||x||B|) |G| for the weights.
// - the root of the mean square, which sees what the sum of many worst cases would hide. Roundings are as good as
//   independent and each has a mean square of u^2 / 3 at most; operands have random signs, so squares take the place
//   of magnitudes: S, the sum of the terms' squares. A rounding that every term passes adds S u^2 / 3; adding L terms
//   in order rounds partial sums of mean square S l / L, which adds S u^2 L / 6.

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/conv_run.h"
#include "tests/support/rounding.h"
#include "tests/support/winograd_terms.h"

namespace striate::testing_support {

/// Sums of f(term) over the terms behind every result, for operands that f was applied to.
inline ConvResults<double> conv_terms(const ConvGeometry& g, ConvOperands<double> in, const ConvAlgorithm& algorithm,
                                      double (*f)(double)) {
  for (auto* values : {&in.x, &in.dy, &in.w, &in.bias}) {
    for (double& value : *values) value = f(value);
  }
  WinogradMatrices m;
  if (!find_winograd(algorithm, f, m)) return run_conv(g, in, &conv_by::reference);
  const ConvGeometry back = conv_geometry(g.n, {g.p, g.q}, g.k, 3, g.c, 1, 2 - g.padding.height);
  std::vector<double> turned(in.w.size());
  for (std::int64_t i = 0; i < g.c * g.k; ++i) {
    for (std::int64_t tap = 0; tap < 9; ++tap) {
      turned[static_cast<std::size_t>((tap * g.k + i % g.k) * g.c + i / g.k)] =
          in.w[static_cast<std::size_t>((8 - tap) * g.c * g.k + i)];
    }
  }
  const WinogradDirections tiles(m, g);
  ConvResults<double> out{tiles.forward(in.x, in.w), WinogradDirections(m, back).forward(in.dy, turned),
                          tiles.weights(in.x, in.dy)};
  for (std::size_t i = 0; i < out.y.size(); ++i) out.y[i] += in.bias[i % in.bias.size()];
  return out;
}

/// How often a term of a result is rounded.
struct ConvRoundings {
  double sum;         ///< terms that are added up after any transform
  double transforms;  ///< everything else in f32
  int operands = 0;   ///< to the dtype of the activations
  DType result;

  ConvRoundings(const ConvGeometry& g, DType dtype, const ConvAlgorithm& algorithm, ConvDirection direction) {
    const bool weights = direction == ConvDirection::backward_weights;
    const auto channels =
        static_cast<double>(direction == ConvDirection::forward ? g.group_inputs() : g.group_outputs());
    WinogradMatrices m;
    const bool winograd = find_winograd(
        algorithm, [](double value) { return value; }, m);
    result = weights && dtype == DType::bf16 ? DType::f32 : dtype;
    if (!winograd) {
      sum = weights ? static_cast<double>(g.positions()) : static_cast<double>(g.r * g.s) * channels;
      transforms = direction == ConvDirection::forward ? 1 : 0;  // the bias
    } else {
      // A row of n entries takes n roundings, and no map of a scheme, factored as it may be, more; entries of G are
      // rounded twice themselves.
      const double filter = weights ? m.filter.rows + 2 : 3 + 2;
      const double output = weights ? m.output.rows : m.output.columns;
      sum = weights ? static_cast<double>(WinogradDirections(m, g).tiles()) : channels;
      transforms = 2 * (m.input.columns + filter + output) + 1;
    }
    if (dtype == DType::bf16 && winograd) operands = 2;
    if (dtype == DType::bf16 && !winograd && &algorithm != &conv_by::depthwise) operands = weights ? 0 : 1;
    if (dtype == DType::f16) operands = weights ? 0 : 1;
  }

  /// Of the error before the result is stored, with S = 1.
  [[nodiscard]] double mean_square(DType dtype) const {
    const double u = sum_roundoff(dtype), low = rounding(dtype).rtol;
    return u * u * ((1 + transforms) / 3 + sum / 6) + operands * low * low / 3;
  }
};

/// The root of the mean square that errors of a direction in f32 have at most, for random operands.
inline double typical_error(const ConvGeometry& g, const ConvAlgorithm& algorithm, ConvDirection direction) {
  const auto square = [](double value) { return value * value; };
  const ConvResults<double> squares = conv_terms(g, ConvOperands<double>(g), algorithm, square);
  const std::vector<double>& of = direction == ConvDirection::forward         ? squares.y
                                  : direction == ConvDirection::backward_data ? squares.dx
                                                                              : squares.dw;
  const double mean = std::accumulate(of.begin(), of.end(), 0.0) / static_cast<double>(of.size());
  return std::sqrt(mean * ConvRoundings(g, DType::f32, algorithm, direction).mean_square(DType::f32));
}

/// Holds results of convolution against f64.
template <class T>
class ConvBounds {
 public:
  ConvBounds(const ConvGeometry& g, const ConvOperands<T>& in)
      : g_(g), in_(widened(in)), exact_(run_conv(g, in_, &conv_by::reference)) {}

  /// Expects what each direction made by `algorithm`, or for null by the one that is chosen, within both bounds.
  void expect_near(const ConvAlgorithm* algorithm, const ConvResults<T>& got) {
    expect_near("y", ConvDirection::forward, algorithm, got.y, &ConvResults<double>::y);
    expect_near("dx", ConvDirection::backward_data, algorithm, got.dx, &ConvResults<double>::dx);
    expect_near("dw", ConvDirection::backward_weights, algorithm, got.dw, &ConvResults<double>::dw);
  }

 private:
  using Values = std::vector<double>;
  struct Terms {
    ConvResults<double> sizes, squares;
  };

  static ConvOperands<double> widened(const ConvOperands<T>& in) {
    const auto wide = [](const auto& values) { return Values(values.begin(), values.end()); };
    ConvOperands<double> result;
    result.x = wide(in.x);
    result.dy = wide(in.dy);
    result.w = wide(in.w);
    result.bias = wide(in.bias);
    return result;
  }

  const Terms& terms(const ConvAlgorithm* algorithm) {
    WinogradMatrices m;
    const auto size = [](double value) { return std::abs(value); };
    const auto square = [](double value) { return value * value; };
    if (!find_winograd(*algorithm, size, m)) algorithm = &conv_by::reference;
    const auto known = terms_.find(algorithm);
    if (known != terms_.end()) return known->second;
    return terms_[algorithm] = {conv_terms(g_, in_, *algorithm, size), conv_terms(g_, in_, *algorithm, square)};
  }

  template <class Result>
  void expect_near(const std::string& name, ConvDirection direction, const ConvAlgorithm* wanted,
                   const std::vector<Result>& got, Values ConvResults<double>::*of) {
    constexpr DType dtype = DTypeOf<T>::value;
    const ConvAlgorithmOverride convolutions(wanted);
    const ConvAlgorithm& algorithm = choose_conv(g_, dtype, direction);
    SCOPED_TRACE(name + " by " + algorithm.name + " in " + to_string(dtype));
    const ConvRoundings path(g_, dtype, algorithm, direction);
    const Values& exact = exact_.*of;
    const Values& sizes = terms(&algorithm).sizes.*of;
    const Values& squares = terms(&algorithm).squares.*of;
    const double stored = path.result == parameter_dtype(dtype) ? 0 : rounding(path.result).rtol;
    const double share = path.mean_square(dtype);
    Values allowed;
    double errors = 0, bound = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      allowed.push_back(
          worst_error(dtype, {path.sum + path.transforms, path.operands, path.result}, exact[i], sizes[i]));
      const double error = static_cast<double>(got[i]) - exact[i];
      errors += error * error;
      bound += share * squares[i] + stored * stored / 3 * exact[i] * exact[i];
    }
    expect_within(got, exact, allowed);
    // Of few roundings the mean is uncertain: by 1 / sqrt(2 n) in the root of a mean of n squares; three times that.
    const std::size_t few = std::min({in_.x.size(), in_.w.size(), in_.dy.size()});
    EXPECT_LE(std::sqrt(errors), std::sqrt(bound) * (1 + 3 / std::sqrt(2 * static_cast<double>(few))));
  }

  ConvGeometry g_;
  ConvOperands<double> in_;
  ConvResults<double> exact_;
  std::map<const ConvAlgorithm*, Terms> terms_;
};

/// Expects every algorithm that can do the shape to stay within its bounds in all directions.
inline void expect_like_reference(const ConvGeometry& g) {
  SCOPED_TRACE(describe(g));
  const auto check = [&]<class T>(T) {
    const ConvOperands<T> operands(g);
    ConvBounds<T> bounds(g, operands);
    for (const ConvAlgorithm* algorithm : fitting(g)) bounds.expect_near(algorithm, run_conv(g, operands, algorithm));
  };
  check(float{});
  check(bfloat16{});
  check(float16{});
}

}  // namespace striate::testing_support

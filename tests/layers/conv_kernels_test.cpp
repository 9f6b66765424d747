#include "layers/conv_kernels.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "layers/winograd_scheme.h"
#include "tests/support/conv_run.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"

namespace striate {
namespace {

using namespace testing_support;

constexpr std::array kAlgorithms = {ConvAlgorithm::im2col,         ConvAlgorithm::direct,
                                    ConvAlgorithm::winograd_f2,    ConvAlgorithm::winograd_f4,
                                    ConvAlgorithm::winograd_line2, ConvAlgorithm::winograd_line4};

ConvGeometry conv3x3(std::int64_t n, Extent2d map, std::int64_t c, std::int64_t k, std::int64_t padding) {
  return conv_geometry(n, map, c, 3, k, 1, padding);
}

// Every pair of sizes, as far as the f64 reference stays quick, and batches that fill the path for many
// tiles.
std::vector<ConvGeometry> cases() {
  const std::vector<Extent2d> maps = {{1, 1}, {1, 5}, {2, 2}, {3, 7}, {4, 4}, {5, 4}, {17, 9}, {33, 31}};
  const std::vector<std::int64_t> channels = {1, 3, 12, 16, 17, 33, 100, 130};
  const std::vector<std::int64_t> filters = {1, 5, 16, 17, 40, 100};
  const std::vector<std::int64_t> batches = {1, 2, 5};
  std::vector<ConvGeometry> all;
  for (const auto& row : pairwise({8, 8, 6, 2, 3})) {
    const auto at = [&](std::size_t i) { return static_cast<std::size_t>(row[i]); };
    const ConvGeometry g = conv3x3(batches[at(4)], maps[at(0)], channels[at(1)], filters[at(2)], row[3]);
    if (g.h + 2 * g.padding.height < 3 || g.w + 2 * g.padding.width < 3) continue;
    if (g.positions() * g.c * g.k < 3'000'000) all.push_back(g);
  }
  for (const std::int64_t size : {2, 4}) {
    for (const std::int64_t c : {1, 3, 17, 40, 100}) {
      all.push_back(conv3x3(2, size, c, 100 - c / 2, 1));
      all.push_back(conv3x3(300, size, c, 17, 1));
    }
  }
  all.push_back(conv3x3(5, {33, 31}, 17, 16, 1));
  all.push_back(conv3x3(2, {33, 31}, 5, 100, 0));
  all.push_back(conv3x3(70, {8, 7}, 33, 40, 1));
  return all;
}

bool can_do(const ConvGeometry& g, ConvAlgorithm algorithm) {
  try {
    choose_conv(g, DType::f32, algorithm);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

// What one axis of a pass adds to the variance of a result: `terms`, the products that the definition sums
// for a result, and `errors`, how often an error of one product's relative size enters it; means over the
// axis. Both multiply over the two axes.
struct Growth {
  double terms = 0;
  double errors = 0;
};

enum class Pass { forward, backward_data, backward_weights };

// Squares of the matrices behind a scheme's maps, from what these make of unit vectors.
template <class Scheme>
struct Squares {
  double input[Scheme::positions][Scheme::inputs] = {};    // B'
  double output[Scheme::outputs][Scheme::positions] = {};  // A'

  Squares() {
    for (int j = 0; j < Scheme::inputs; ++j) {
      double unit[Scheme::inputs] = {}, made[Scheme::positions];
      unit[j] = 1;
      Scheme::input(unit, made);
      for (int p = 0; p < Scheme::positions; ++p) input[p][j] = made[p] * made[p];
    }
    for (int p = 0; p < Scheme::positions; ++p) {
      double unit[Scheme::positions] = {}, made[Scheme::outputs];
      unit[p] = 1;
      Scheme::output(unit, made);
      for (int i = 0; i < Scheme::outputs; ++i) output[i][p] = made[i] * made[i];
    }
  }
  static double filter(int p, int tap) {
    const double g = Scheme::filter[p][tap];
    return g * g;
  }
};

// Operands of variance 1 at a scheme's positions have variances sum(B^2) and sum(G^2) (forward) or sum(A^2)
// (weights), over what lies inside the map; a product errs by its own size times epsilon, and reaches a
// result with A^2 or G^2.
template <class Scheme>
Growth growth(std::int64_t in, std::int64_t out, std::int64_t padding, Pass pass) {
  const Squares<Scheme> squares;
  Growth sum;
  const bool weights = pass == Pass::backward_weights;
  for (std::int64_t tile = 0; tile < out; tile += Scheme::outputs) {
    for (int p = 0; p < Scheme::positions; ++p) {
      double x = 0, y = 0, w = 0;
      for (int j = 0; j < Scheme::inputs; ++j) {
        const std::int64_t at = tile + j - (Scheme::own_padding ? 0 : padding);
        if (at >= 0 && at < in) x += squares.input[p][j];
      }
      for (int i = 0; i < Scheme::outputs && tile + i < out; ++i) y += squares.output[i][p];
      for (int tap = 0; tap < 3; ++tap) w += Squares<Scheme>::filter(p, tap);
      sum.errors += x * y * w;
    }
  }
  for (std::int64_t i = 0; i < out; ++i) {
    for (std::int64_t tap = 0; tap < 3; ++tap) sum.terms += i + tap >= padding && i + tap < in + padding ? 1 : 0;
  }
  const double results = weights ? 3 : static_cast<double>(out);
  return {sum.terms / results, sum.errors / results};
}

// Without transforms every term is a product.
struct NoTransform {
  static constexpr int inputs = 3, outputs = 1, positions = 3;
  static constexpr bool own_padding = false;
  static constexpr float filter[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  static void input(const double* d, double* v) { std::copy_n(d, 3, v); }
  static void output(const double* m, double* y) { *y = m[0] + m[1] + m[2]; }
};

Growth growth(ConvAlgorithm algorithm, std::int64_t in, std::int64_t out, std::int64_t padding, Pass pass) {
  if (pass == Pass::backward_data) {
    std::swap(in, out);
    padding = 2 - padding;
  }
  switch (algorithm) {
    case ConvAlgorithm::winograd_f2:
      return growth<WinogradF2>(in, out, padding, pass);
    case ConvAlgorithm::winograd_f4:
      return growth<WinogradF4>(in, out, padding, pass);
    case ConvAlgorithm::winograd_line2:
      return growth<WinogradLine2>(in, out, padding, pass);
    case ConvAlgorithm::winograd_line4:
      return growth<WinogradLine4>(in, out, padding, pass);
    default:
      return growth<NoTransform>(in, out, padding, pass);
  }
}

// The RMS that a pass's error may have. Operands are uniform in [-1, 1): a product's RMS is 1/3, and a
// result's sqrt(terms * depth) / 3, depth being the channels that are summed. With u = half an epsilon:
// - f32: a sum of L terms in order errs by u * sqrt(L / 6) of its own RMS (a random walk of roundings, each
// of
//   RMS u / sqrt(3) of a partial sum); transforms round their operands and the result about 6 times more.
//   u * (6 + sqrt(L) / 2).
// - bf16: rounding to it errs by an RMS of 0.4 u: two operands make 0.6 u; u is allowed. What is stored as
// bf16
//   errs by 0.4 u of the result once more, which with the bias is at most the RMS plus 0.6.
// Winograd's positions are larger than what they sum to: sqrt(errors / terms) as large, 2-d about 1.8 for
// F(2x2) and 4.5 for F(4x4) forward (its usual points would have 11).
double rms_bound(const ConvGeometry& g, ConvAlgorithm algorithm, DType dtype, Pass pass) {
  const Growth rows = growth(algorithm, g.h, g.p, g.padding.height, pass);
  const Growth columns = growth(algorithm, g.w, g.q, g.padding.width, pass);
  const auto depth = static_cast<double>(pass == Pass::forward ? g.c : pass == Pass::backward_data ? g.k : g.n);
  const double size = std::sqrt(rows.errors * columns.errors * depth) / 3;
  const double length = pass == Pass::backward_weights ? static_cast<double>(g.positions()) : 9 * depth;
  const double sums = size * 0x1p-24 * (6 + std::sqrt(length) / 2);
  if (dtype == DType::f32) return sums;
  const double result = std::sqrt(rows.terms * columns.terms * depth) / 3 + 0.6;
  return sums + size * 0x1p-8 + (pass == Pass::backward_weights ? 0 : result * 0.5 * 0x1p-8);
}

// Of few results the RMS is uncertain. The worst of up to a million results, which are not all alike (the
// corners of a tile err most), stays within 16 times the RMS.
template <class T>
void expect_error_within(double bound, const std::vector<T>& got, const std::vector<double>& exact, const char* pass) {
  const ConvError error = conv_error(got, exact);
  EXPECT_LE(error.rms, bound * (1 + 3 / std::sqrt(static_cast<double>(got.size())))) << pass;
  EXPECT_LE(error.max, bound * 16) << pass;
}

template <class T>
void expect_like_reference(const ConvGeometry& g, const ConvResults<double>& exact) {
  const ConvOperands<T> operands(g);
  constexpr DType dtype = DTypeOf<T>::value;
  for (const ConvAlgorithm algorithm : kAlgorithms) {
    if (!can_do(g, algorithm)) continue;
    SCOPED_TRACE(to_string(dtype) + " " + to_string(algorithm));
    const ConvResults<T> got = run_conv(g, operands, algorithm);
    expect_error_within(rms_bound(g, algorithm, dtype, Pass::forward), got.y, exact.y, "forward");
    expect_error_within(rms_bound(g, algorithm, dtype, Pass::backward_data), got.dx, exact.dx, "backward data");
    expect_error_within(rms_bound(g, algorithm, dtype, Pass::backward_weights), got.dw, exact.dw, "backward weights");
  }
}

TEST(ConvKernels, StayWithinTheErrorOfTheirArithmetic) {
  for (const ConvGeometry& g : cases()) {
    SCOPED_TRACE(describe(g));
    const ConvResults<double> exact = run_conv(g, ConvOperands<double>(g), ConvAlgorithm::reference);
    expect_like_reference<float>(g, exact);
    expect_like_reference<bfloat16>(g, exact);
  }
}

template <class T>
void expect_same_bits_for_threads(const ConvGeometry& g) {
  const ConvOperands<T> operands(g);
  for (const ConvAlgorithm algorithm : kAlgorithms) {
    if (!can_do(g, algorithm)) continue;
    SCOPED_TRACE(to_string(algorithm));
    ConvResults<T> first;
    for (const int count : {1, 2, 5}) {
      const Threads threads(count);
      const ConvResults<T> got = run_conv(g, operands, algorithm);
      if (count == 1) first = got;
      EXPECT_TRUE(same_values(got.y, first.y));
      EXPECT_TRUE(same_values(got.dx, first.dx));
      EXPECT_TRUE(same_values(got.dw, first.dw));
    }
  }
}

TEST(ConvKernels, ThreadsDoNotMatter) {
  for (const ConvGeometry& g :
       {conv3x3(3, {17, 9}, 17, 100, 1), conv3x3(6, {33, 31}, 33, 40, 0), conv3x3(5, 4, 100, 130, 1),
        conv3x3(300, 4, 16, 40, 1), conv3x3(300, 2, 40, 16, 1), conv3x3(2, 2, 100, 100, 1)}) {
    SCOPED_TRACE(describe(g));
    expect_same_bits_for_threads<float>(g);
    expect_same_bits_for_threads<bfloat16>(g);
  }
}

// What is not a number stays in its image, and crashes nothing.
template <class T>
void expect_contained(const ConvGeometry& g, float odd) {
  ConvOperands<T> operands(g);
  operands.x[operands.x.size() / 2 / static_cast<std::size_t>(g.n)] = T(odd);
  operands.dy[operands.dy.size() / 2 / static_cast<std::size_t>(g.n)] = T(odd);
  const auto finite_from = [&](const std::vector<T>& values, std::size_t begin) {
    return std::all_of(values.begin() + static_cast<std::ptrdiff_t>(begin), values.end(),
                       [](T value) { return std::isfinite(static_cast<float>(value)); });
  };
  for (const ConvAlgorithm algorithm : kAlgorithms) {
    if (!can_do(g, algorithm)) continue;
    SCOPED_TRACE(to_string(algorithm));
    const ConvResults<T> got = run_conv(g, operands, algorithm);
    for (const auto* values : {&got.y, &got.dx}) {
      EXPECT_FALSE(finite_from(*values, 0));
      EXPECT_TRUE(finite_from(*values, values->size() / static_cast<std::size_t>(g.n)));
    }
    EXPECT_FALSE(std::all_of(got.dw.begin(), got.dw.end(), [](float value) { return std::isfinite(value); }));
  }
}

TEST(ConvKernels, NotANumberStaysInItsImage) {
  for (const ConvGeometry& g : {conv3x3(5, 4, 17, 33, 1), conv3x3(5, 2, 5, 16, 1), conv3x3(4, {17, 18}, 5, 17, 0)}) {
    SCOPED_TRACE(describe(g));
    for (const float odd : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      expect_contained<float>(g, odd);
      expect_contained<bfloat16>(g, odd);
    }
  }
}

TEST(ConvKernels, EmptyBatch) {
  const ConvGeometry g = conv3x3(0, 4, 17, 16, 1);
  for (const ConvAlgorithm algorithm : kAlgorithms) {
    if (!can_do(g, algorithm)) continue;
    SCOPED_TRACE(to_string(algorithm));
    for (const float value : run_conv(g, ConvOperands<float>(g), algorithm).dw) ASSERT_EQ(value, 0);
  }
}

TEST(ConvKernels, RefuseWhatTheyCannotDo) {
  const ConvGeometry strided = conv_geometry(1, 9, 16, 3, 16, 2, 1);
  const ConvGeometry grouped = conv_geometry(1, 9, 16, 3, 16, 1, 1, 1, 2);
  const ConvGeometry wide = conv_geometry(1, 9, 16, 3, 16, 1, 2);
  const ConvGeometry large = conv_geometry(1, 9, 16, 5, 16);
  for (const ConvAlgorithm algorithm : kAlgorithms) {
    for (const ConvGeometry& g : {strided, grouped, wide, large}) {
      EXPECT_EQ(can_do(g, algorithm), algorithm == ConvAlgorithm::im2col) << to_string(algorithm) << describe(g);
    }
  }
  EXPECT_TRUE(can_do(conv3x3(1, 2, 3, 3, 1), ConvAlgorithm::winograd_line2));
  EXPECT_FALSE(can_do(conv3x3(1, 3, 3, 3, 1), ConvAlgorithm::winograd_line2));
  EXPECT_FALSE(can_do(conv3x3(1, 4, 3, 3, 0), ConvAlgorithm::winograd_line4));
  EXPECT_FALSE(can_do(large, ConvAlgorithm::product));
  EXPECT_FALSE(can_do(large, ConvAlgorithm::depthwise));
  EXPECT_FALSE(can_do(large, ConvAlgorithm::reference));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { choose_conv(strided, DType::bf16, ConvAlgorithm::winograd_f4); }),
            "[conv2d] winograd_f4 cannot do bf16, kernel 3x3, stride 2x2, padding 1x1, map 9x9");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { choose_conv(strided, DType::f64, ConvAlgorithm::im2col); }),
            "[conv2d] im2col cannot do f64, kernel 3x3, stride 2x2, padding 1x1, map 9x9");
}

}  // namespace
}  // namespace striate

// Batch norm and ReLU in the convolutions' kernels against the same behind them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "layers/conv/apply_epilogue.h"
#include "tests/support/conv_run.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using namespace testing_support;

// Channels in and out of registers and panels, tiles that stick out, few tiles and many.
std::vector<ConvGeometry> cases() {
  std::vector<ConvGeometry> all;
  for (const auto& [map, batch] : std::vector<std::pair<Extent2d, std::int64_t>>{
           {{1, 1}, 2}, {{5, 7}, 3}, {{33, 31}, 1}, {2, 5}, {2, 300}, {4, 3}, {4, 300}, {{9, 10}, 60}}) {
    for (const auto& [channels, filters] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 3}, {3, 17}, {17, 1}, {17, 100}}) {
      all.push_back(conv_geometry(batch, map, channels, 3, filters, 1, 1));
    }
  }
  all.push_back(conv_geometry(2, {9, 8}, 100, 3, 64));
  all.push_back(conv_geometry(2, {9, 8}, 17, 1, 100, 2));
  all.push_back(conv_geometry(5, 17, 34, 1, 3));
  all.push_back(conv_geometry(2, 4, 0, 3, 17, 1, 1));
  all.push_back(conv_geometry(2, {11, 13}, 3, {5, 2}, 17, {3, 2}, {1, 0}, {1, 3}));
  all.push_back(conv_geometry(2, 8, 12, 3, 20, 1, 1, 1, 4));
  all.push_back(conv_geometry(2, {9, 7}, 17, 3, 17, 1, 1, 1, 17));
  all.push_back(conv_geometry(3, 12, 100, 3, 100, 2, 1, 1, 100));
  all.push_back(conv_geometry(2, 7, 3, 3, 9, 1, 1, 1, 3));
  return all;
}

// f32 and f64: the same bits. bf16 and f16: the norm gets sums that were not rounded, which moves a result by no
// more than that rounding times scale; the arithmetic passes five roundings of f32, and the result is stored.
template <class T>
void expect_as_behind(const ConvEpilogue<ConvParameter<T>>& epilogue, const std::vector<T>& sums,
                      const std::vector<T>& fused, std::size_t filters) {
  using P = ConvParameter<T>;
  constexpr bool low = !std::is_same_v<T, P>;
  using Exact = std::conditional_t<low, double, P>;
  constexpr DType dtype = DTypeOf<T>::value;
  std::vector<Exact> expected(sums.size());
  std::vector<double> allowed(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t k = i % filters;
    const Exact mean = epilogue.mean[k], scale = epilogue.scale[k], shift = epilogue.shift[k];
    const auto sum = static_cast<Exact>(sums[i]);
    expected[i] = normalised(sum, mean, scale, shift);
    expected[i] = std::clamp<Exact>(expected[i], epilogue.least, epilogue.most);
    if constexpr (low) {
      const double size = (std::abs(sum) + std::abs(mean)) * std::abs(scale) + std::abs(shift);
      const double unrounded = (rounding(dtype).rtol * std::abs(sum) + rounding(dtype).atol) * std::abs(scale);
      allowed[i] = stored_error(dtype, expected[i], unrounded + gamma(5, 0x1p-24) * size);
    }
  }
  if constexpr (low) {
    expect_within(fused, expected, allowed);
  } else {
    EXPECT_TRUE(same_values(fused, expected));
  }
}

template <class T>
void expect_as_behind(const ConvGeometry& g, const ConvAlgorithm& algorithm) {
  using P = ConvParameter<T>;
  SCOPED_TRACE(to_string(DTypeOf<T>::value) + " " + algorithm.name + " " + describe(g));
  const ConvAlgorithmOverride convolutions(&algorithm);
  const ConvOperands<T> in(g);
  // Backward data has an epilogue as the forward pass of a transposed convolution.
  for (const bool transposed : {false, true}) {
    SCOPED_TRACE(transposed ? "backward data" : "forward");
    const std::int64_t channels = transposed ? g.c : g.k;
    if (channels == 0) continue;
    const auto run = transposed ? Convolution<T>::backward_data : Convolution<T>::forward;
    const std::vector<T>& from = transposed ? in.dy : in.x;
    const std::vector<T> to(transposed ? in.x.size() : in.dy.size(), T(std::numeric_limits<float>::quiet_NaN()));
    const auto biases = conv_values<P>(channels, 4);
    const auto mean = conv_values<P>(channels, 5), scale = conv_values<P>(channels, 6),
               shift = conv_values<P>(channels, 7);
    for (const P* bias : {static_cast<const P*>(nullptr), biases.data()}) {
      std::vector<T> sums = to;
      run(g, from.data(), in.w.data(), {.bias = bias}, sums.data(), "");
      constexpr P infinity = std::numeric_limits<P>::infinity();
      for (const auto& [least, most] : {std::pair{-infinity, infinity}, {P{0}, infinity}, {P{0}, P{1}}}) {
        const ConvEpilogue<P> epilogue{bias, mean.data(), scale.data(), shift.data(), least, most};
        std::vector<T> fused = to;
        run(g, from.data(), in.w.data(), epilogue, fused.data(), "");
        expect_as_behind(epilogue, sums, fused, static_cast<std::size_t>(channels));
      }
    }
  }
}

TEST(ConvEpilogue, GivesWhatANormBehindGives) {
  for (const ConvGeometry& g : cases()) {
    expect_as_behind<double>(g, conv_by::reference);
    for (const ConvAlgorithm* algorithm : fitting(g)) {
      expect_as_behind<float>(g, *algorithm);
      expect_as_behind<bfloat16>(g, *algorithm);
      expect_as_behind<float16>(g, *algorithm);
    }
  }
}

TEST(ConvEpilogue, ReluKeepsNotANumber) {
  const ConvGeometry g = conv_geometry(1, 4, 3, 3, 17, 1, 1);
  ConvOperands<float> in(g);
  in.x[0] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> ones(17, 1);
  for (const ConvAlgorithm* algorithm : fitting(g)) {
    const ConvAlgorithmOverride convolutions(algorithm);
    std::vector<float> y(in.dy.size());
    Convolution<float>::forward(g, in.x.data(), in.w.data(), {nullptr, ones.data(), ones.data(), ones.data(), 0, 6},
                                y.data());
    EXPECT_TRUE(std::isnan(y[0])) << algorithm->name;
  }
}

}  // namespace
}  // namespace striate

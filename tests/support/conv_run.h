#pragma once
// One convolution in all three directions on memory of exactly its size, so that AddressSanitizer sees every
// read past a tensor's end.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/random.h"
#include "layers/conv/kernels.h"
#include "tests/support/op_checks.h"

namespace striate::testing_support {

inline ConvGeometry conv_geometry(std::int64_t n, Extent2d map, std::int64_t c, Extent2d kernel, std::int64_t k,
                                  Extent2d stride = 1, Extent2d padding = 0, Extent2d dilation = 1,
                                  std::int64_t groups = 1) {
  const auto out = [](std::int64_t in, std::int64_t taps, std::int64_t step, std::int64_t border, std::int64_t gap) {
    return (in + 2 * border - gap * (taps - 1) - 1) / step + 1;
  };
  return {n,
          map.height,
          map.width,
          c,
          kernel.height,
          kernel.width,
          k,
          out(map.height, kernel.height, stride.height, padding.height, dilation.height),
          out(map.width, kernel.width, stride.width, padding.width, dilation.width),
          stride,
          padding,
          dilation,
          groups};
}

inline std::string describe(const ConvGeometry& g) {
  return "batch " + std::to_string(g.n) + " map " + to_string(Extent2d(g.h, g.w)) + " channels " + std::to_string(g.c) +
         " kernel " + to_string(Extent2d(g.r, g.s)) + " filters " + std::to_string(g.k) + " stride " +
         to_string(g.stride) + " padding " + to_string(g.padding) + " dilation " + to_string(g.dilation) + " groups " +
         std::to_string(g.groups);
}

/// The algorithms that can do the shape.
inline std::vector<const ConvAlgorithm*> fitting(const ConvGeometry& g, DType dtype = DType::f32) {
  std::vector<const ConvAlgorithm*> result;
  for (const ConvAlgorithm* algorithm : conv_algorithms()) {
    if (algorithm->fits(g, dtype, ConvDirection::forward)) result.push_back(algorithm);
  }
  return result;
}

/// Multiples of 2^-20 in [-1, 1), rounded to T: exact in f32, and where f16 is subnormal.
template <class T>
std::vector<T> conv_values(std::int64_t count, std::uint64_t seed) {
  const RandomStream stream = random_stream(seed, RandomUse::test);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<T>(std::floor(stream.uniform(i) * 0x1p21) * 0x1p-20 - 1);
  }
  return values;
}

template <class T>
struct ConvOperands {
  std::vector<T> x, dy;
  std::vector<ConvParameter<T>> w, bias;

  ConvOperands() = default;
  explicit ConvOperands(const ConvGeometry& g)
      : x(conv_values<T>(g.input_size(), 1)),
        dy(conv_values<T>(g.output_size(), 2)),
        w(conv_values<ConvParameter<T>>(g.filter_size(), 3)),
        bias(conv_values<ConvParameter<T>>(g.k, 4)) {}
};

template <class T>
struct ConvResults {
  std::vector<T> y, dx;
  std::vector<ConvParameter<T>> dw;
};

/// All directions, by the algorithm, which must fit, or for null by those that are chosen; results start as NaN, so
/// that what is not written shows.
template <class T>
ConvResults<T> run_conv(const ConvGeometry& g, const ConvOperands<T>& in, const ConvAlgorithm* algorithm) {
  for (const ConvDirection direction :
       {ConvDirection::forward, ConvDirection::backward_data, ConvDirection::backward_weights}) {
    EXPECT_TRUE(algorithm == nullptr || algorithm->fits(g, DTypeOf<T>::value, direction));
  }
  const ConvAlgorithmOverride convolutions(algorithm);
  const float nan = std::nanf("");
  ConvResults<T> out{std::vector<T>(in.dy.size(), T(nan)), std::vector<T>(in.x.size(), T(nan)),
                     std::vector<ConvParameter<T>>(in.w.size(), nan)};
  Convolution<T>::forward(g, in.x.data(), in.w.data(), {in.bias.data()}, out.y.data());
  Convolution<T>::backward_data(g, in.dy.data(), in.w.data(), {}, out.dx.data());
  Convolution<T>::backward_weights(g, in.x.data(), in.dy.data(), out.dw.data());
  return out;
}

template <class T>
bool same_values(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Expects the same bits of all directions for 1, 2 and 5 threads.
template <class T>
void expect_same_bits_for_threads(const ConvGeometry& g, const ConvAlgorithm& algorithm) {
  SCOPED_TRACE(describe(g) + " " + algorithm.name);
  const ConvOperands<T> operands(g);
  ConvResults<T> first;
  for (const int count : {1, 2, 5}) {
    const Threads threads(count);
    const ConvResults<T> got = run_conv(g, operands, &algorithm);
    if (count == 1) first = got;
    EXPECT_TRUE(same_values(got.y, first.y));
    EXPECT_TRUE(same_values(got.dx, first.dx));
    EXPECT_TRUE(same_values(got.dw, first.dw));
  }
}

}  // namespace striate::testing_support

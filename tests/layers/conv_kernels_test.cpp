// Every algorithm of 3x3 convolution over awkward sizes, held against the f64 reference.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "layers/conv/kernels.h"
#include "tests/support/conv_bounds.h"
#include "tests/support/conv_run.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"

namespace striate {
namespace {

using namespace testing_support;

bool fits(const ConvAlgorithm& algorithm, const ConvGeometry& g, DType dtype = DType::f32) {
  return algorithm.fits(g, dtype, ConvDirection::forward);
}

ConvGeometry conv3x3(std::int64_t n, Extent2d map, std::int64_t c, std::int64_t k, std::int64_t padding) {
  return conv_geometry(n, map, c, 3, k, 1, padding);
}

// Every pair of sizes, as far as the bounds stay quick, and batches that fill the path for many
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
    if (g.positions() * g.c * g.k < 500'000) all.push_back(g);
  }
  const std::vector<std::int64_t> few = {1, 3, 17, 100};
  for (std::int64_t size = 1; size <= 9; ++size) {
    for (std::size_t i = 0; i < few.size(); ++i) {
      const std::size_t other = (i + static_cast<std::size_t>(size)) % few.size();
      all.push_back(conv3x3(1, size, few[i], few[other], size < 3 || i % 2 == 0 ? 1 : 0));
    }
  }
  for (const std::int64_t size : {2, 4}) {
    for (const std::int64_t c : {1, 3, 17, 40, 100}) {
      all.push_back(conv3x3(2, size, c, 100 - c / 2, 1));
    }
    all.push_back(conv3x3(300, size, 3, 17, 1));
    all.push_back(conv3x3(300, size, 40, 1, 1));
  }
  all.push_back(conv3x3(5, {33, 31}, 17, 16, 1));
  all.push_back(conv3x3(2, {33, 31}, 5, 100, 0));
  all.push_back(conv3x3(70, {8, 7}, 17, 40, 1));
  return all;
}

TEST(ConvKernels, StayWithinTheErrorOfTheirArithmetic) {
  for (const ConvGeometry& g : cases()) expect_like_reference(g);
}

TEST(ConvKernels, ThreadsDoNotMatter) {
  for (const ConvGeometry& g :
       {conv3x3(3, {17, 9}, 17, 100, 1), conv3x3(6, {33, 31}, 33, 40, 0), conv3x3(5, 4, 100, 130, 1),
        conv3x3(300, 4, 16, 40, 1), conv3x3(300, 2, 40, 16, 1), conv3x3(2, 2, 100, 100, 1)}) {
    for (const ConvAlgorithm* algorithm : fitting(g)) {
      expect_same_bits_for_threads<float>(g, *algorithm);
      expect_same_bits_for_threads<bfloat16>(g, *algorithm);
    }
  }
}

template <class T>
void expect_right(const ConvGeometry& g, const ConvAlgorithm& algorithm) {
  SCOPED_TRACE(describe(g));
  const ConvOperands<T> operands(g);
  ConvBounds<T>(g, operands).expect_near(&algorithm, run_conv(g, operands, &algorithm));
  expect_same_bits_for_threads<T>(g, algorithm);
}

// Just above where weight_parts() in layers/conv/winograd.cpp cuts by rows of positions; the first also into two
// ranges.
TEST(ConvKernels, WeightGradientsOfWideLayers) {
  expect_right<float>(conv3x3(515, {2, 1}, 140, 141, 1), conv_by::winograd_f4);
  expect_right<float>(conv3x3(321, {2, 1}, 212, 213, 1), conv_by::winograd_f2);
  expect_right<bfloat16>(conv3x3(303, {2, 1}, 200, 201, 1), conv_by::winograd_f4);
  expect_right<bfloat16>(conv3x3(451, 1, 298, 299, 1), conv_by::winograd_f2);
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
  for (const ConvAlgorithm* algorithm : fitting(g)) {
    SCOPED_TRACE(algorithm->name);
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
      expect_contained<float16>(g, odd);
    }
  }
}

TEST(ConvKernels, EmptyBatch) {
  const ConvGeometry g = conv3x3(0, 4, 17, 16, 1);
  for (const ConvAlgorithm* algorithm : fitting(g)) {
    SCOPED_TRACE(algorithm->name);
    for (const float value : run_conv(g, ConvOperands<float>(g), algorithm).dw) ASSERT_EQ(value, 0);
  }
}

TEST(ConvKernels, RefuseWhatTheyCannotDo) {
  const ConvGeometry strided = conv_geometry(1, 9, 16, 3, 16, 2, 1);
  const ConvGeometry grouped = conv_geometry(1, 9, 16, 3, 16, 1, 1, 1, 2);
  const ConvGeometry wide = conv_geometry(1, 9, 16, 3, 16, 1, 2);
  const ConvGeometry large = conv_geometry(1, 9, 16, 5, 16);
  for (const ConvGeometry& g : {strided, grouped, wide, large}) {
    EXPECT_EQ(fitting(g), std::vector<const ConvAlgorithm*>{&conv_by::im2col}) << describe(g);
  }
  EXPECT_TRUE(fits(conv_by::winograd_line2, conv3x3(1, 2, 3, 3, 1)));
  EXPECT_FALSE(fits(conv_by::winograd_line2, conv3x3(1, 3, 3, 3, 1)));
  EXPECT_FALSE(fits(conv_by::winograd_line4, conv3x3(1, 4, 3, 3, 0)));
  EXPECT_FALSE(fits(conv_by::reference, large));
  EXPECT_TRUE(fits(conv_by::reference, large, DType::f64));
}

}  // namespace
}  // namespace striate

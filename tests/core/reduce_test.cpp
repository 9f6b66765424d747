#include "core/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/elementwise.h"
#include "core/gradcheck.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::expect_same_bits_with_threads;
using testing_support::random_tensor;
using testing_support::rounding;

// Sums into a map from output place to total, one element after the other.
Tensor reference_sum(const Tensor& x, const std::vector<bool>& summed, bool keepdim, bool average) {
  Shape kept;
  Shape shape;
  double count = 1;
  for (std::size_t i = 0; i < summed.size(); ++i) {
    kept.push_back(summed[i] ? 1 : x.shape()[i]);
    if (summed[i]) count *= static_cast<double>(x.shape()[i]);
    if (!summed[i] || keepdim) shape.push_back(kept.back());
  }
  std::vector<long double> totals(static_cast<std::size_t>(numel(kept)));
  const std::vector<double> values = x.to_vector();
  for (std::size_t flat = 0; flat < values.size(); ++flat) {
    auto rest = static_cast<std::int64_t>(flat);
    std::int64_t place = 0;
    std::int64_t stride = 1;
    for (std::size_t i = summed.size(); i-- > 0;) {
      if (!summed[i]) place += rest % x.shape()[i] * stride;
      rest /= x.shape()[i];
      stride *= kept[i];
    }
    totals[static_cast<std::size_t>(place)] += values[flat];
  }
  std::vector<double> result;
  result.reserve(totals.size());
  for (const long double total : totals) {
    result.push_back(static_cast<double>(total / (average ? static_cast<long double>(count) : 1.0L)));
  }
  return Tensor::from(shape, result);
}

// The axes of a tensor of this rank, in order.
std::vector<Axis> axes_of_rank(std::size_t rank) {
  if (rank == 2) return {Axis::batch, Axis::channels};
  if (rank == 3) return {Axis::batch, Axis::width, Axis::channels};
  return {Axis::batch, Axis::height, Axis::width, Axis::channels};
}

struct Choice {
  std::vector<bool> summed;
  std::vector<Axis> axes;
};

// All non-empty sets of axes.
std::vector<Choice> choices(std::size_t rank) {
  std::vector<Choice> all;
  for (unsigned set = 1; set < (1U << rank); ++set) {
    Choice choice{std::vector<bool>(rank), {}};
    for (std::size_t i = 0; i < rank; ++i) {
      if ((set >> i & 1U) == 0) continue;
      choice.summed[i] = true;
      choice.axes.push_back(axes_of_rank(rank)[i]);
    }
    all.push_back(choice);
  }
  return all;
}

// Totals are added in double and rounded once; what cancels is bounded by the count of values below 1.
double atol(DType dtype, const Tensor& x, bool average) {
  return 0x1p-52 * static_cast<double>(x.numel()) * (average || dtype != DType::f64 ? 1 : 2) + rounding(dtype).atol;
}

double rtol(DType dtype) { return dtype == DType::f64 ? 0x1p-50 : rounding(dtype).rtol; }

TEST(Reduce, AllSetsOfAxes) {
  const std::vector<Shape> shapes = {{1, 1},    {3, 5},       {129, 33},    {2, 70000},   {70000, 2},      {3, 1, 5},
                                     {4, 7, 3}, {2, 3, 4, 5}, {1, 3, 1, 5}, {5, 1, 1, 1}, {3, 35, 3, 1100}};
  for (const Shape& shape : shapes) {
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
      const Tensor x = random_tensor(shape, 1, dtype);
      for (const Choice& choice : choices(shape.size())) {
        SCOPED_TRACE(to_string(shape) + " " + to_string(dtype) + " axes " + ::testing::PrintToString(choice.summed));
        const bool keepdim = choice.axes.size() % 2 == 0;
        const Tensor total = sum(x, choice.axes, keepdim);
        EXPECT_EQ(total.dtype(), dtype);
        expect_close(total, reference_sum(x, choice.summed, keepdim, false), atol(dtype, x, false), rtol(dtype));
        expect_close(mean(x, choice.axes, !keepdim), reference_sum(x, choice.summed, !keepdim, true),
                     atol(dtype, x, true), rtol(dtype));
      }
    }
  }
}

TEST(Reduce, AllElementsOfAnyRank) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{100003}, Shape{3, 5}, Shape{2, 1, 3, 2, 5}}) {
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
      const Tensor x = random_tensor(shape, 2, dtype);
      const std::vector<bool> all(shape.size(), true);
      expect_close(sum(x), reference_sum(x, all, false, false), atol(dtype, x, false), rtol(dtype));
      expect_close(mean(x), reference_sum(x, all, false, true), atol(dtype, x, true), rtol(dtype));
    }
  }
}

TEST(Reduce, OrderOfTheNamesDoesNotMatter) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1);
  testing_support::expect_same_bits(sum(x, {Axis::channels, Axis::batch}), sum(x, {Axis::batch, Axis::channels}));
}

// Ten million times 0.1f in one running float would be off by more than 8 percent.
TEST(Reduce, ManyEqualValuesKeepTheirSum) {
  const Tensor x = Tensor::full({1000, 10000}, 0.1, DType::f32);
  const double exact = static_cast<double>(0.1F) * 1e7;
  EXPECT_NEAR(sum(x).item(), exact, exact * 0x1p-24);
  EXPECT_NEAR(mean(x).item(), 0.1F, 0.1 * 0x1p-24);
}

TEST(Reduce, NothingSumsToZeroAndHasNoMean) {
  const Tensor x = Tensor::zeros({0, 3});
  EXPECT_EQ(sum(x).item(), 0);
  EXPECT_TRUE(std::isnan(mean(x).item()));
  expect_close(sum(x, {Axis::batch}), Tensor::zeros({3}), 0, 0);
  EXPECT_EQ(sum(x, {Axis::channels}).shape(), (Shape{0}));
}

TEST(Reduce, Gradients) {
  for (const Shape& shape : {Shape{3, 4}, Shape{2, 3, 4}, Shape{2, 3, 1, 4}}) {
    for (const Choice& choice : choices(shape.size())) {
      for (const bool keepdim : {false, true}) {
        SCOPED_TRACE(to_string(shape) + " axes " + ::testing::PrintToString(choice.summed));
        const GradcheckResult summed =
            gradcheck([&](const std::vector<Tensor>& in) { return sum(in[0], choice.axes, keepdim); },
                      {random_tensor(shape, 1).set_requires_grad()});
        EXPECT_TRUE(summed.ok) << summed.message;
        const GradcheckResult averaged =
            gradcheck([&](const std::vector<Tensor>& in) { return mean(in[0], choice.axes, keepdim); },
                      {random_tensor(shape, 1).set_requires_grad()});
        EXPECT_TRUE(averaged.ok) << averaged.message;
      }
    }
  }
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}}) {
    Tensor x = random_tensor(shape, 1);
    x.set_requires_grad();
    EXPECT_TRUE(gradcheck([](const std::vector<Tensor>& in) { return sum(in[0]); }, {x}).ok);
    EXPECT_TRUE(gradcheck([](const std::vector<Tensor>& in) { return mean(in[0]); }, {x}).ok);
  }
}

TEST(Reduce, LowPrecisionGradientIsTheShareOfEach) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    Tensor x = random_tensor({7, 33}, 1, dtype);
    x.set_requires_grad();
    mean(x).backward();
    EXPECT_EQ(x.grad().dtype(), dtype);
    expect_close(x.grad(), Tensor::full({7, 33}, 1.0 / 231, DType::f64), 0, rounding(dtype).rtol);
  }
}

TEST(Reduce, Errors) {
  const Tensor matrix = random_tensor({2, 3}, 1);
  expect_error<ShapeError>([&] { sum(matrix, {Axis::height}); }, {"[sum]", "height", "(2,3)", "(batch,channels)"});
  expect_error<ShapeError>([&] { mean(random_tensor({2, 3, 4}, 1), {Axis::height}); }, {"[mean]", "(2,3,4)", "width"});
  expect_error<ShapeError>([&] { sum(random_tensor({2}, 1), {Axis::batch}); }, {"[sum]", "batch", "(2)"});
  expect_error<ShapeError>([&] { sum(matrix, {}); }, {"[sum]", "axis", "(2,3)"});
  expect_error<std::invalid_argument>([&] { sum(Tensor::zeros({2}, DType::i64)); }, {"[sum]", "i64"});
}

TEST(Reduce, BitsDoNotDependOnThreads) {
  expect_same_bits_with_threads([] {
    std::vector<Tensor> results;
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      for (const Shape& shape : {Shape{50, 9, 11, 67}, Shape{2, 2, 3, 30011}}) {
        Tensor x = random_tensor(shape, 1, dtype);
        x.set_requires_grad();
        for (const Choice& choice : choices(4)) results.push_back(sum(x, choice.axes).detach());
        const Tensor y = mean(x);
        y.backward();
        results.push_back(y);
        results.push_back(x.grad());
      }
    }
    return results;
  });
}

}  // namespace
}  // namespace striate

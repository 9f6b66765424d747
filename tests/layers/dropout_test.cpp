#include "layers/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "core/gradcheck.h"
#include "core/random.h"
#include "tests/support/op_checks.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using namespace testing_support;

TEST(Dropout, IsTheIdentityOutsideTraining) {
  const Tensor x = random_tensor({3, 4}, 1);
  const std::uint64_t draws = default_generator().draws;
  EXPECT_EQ(dropout(x, 0.5, false).raw(), x.raw());
  EXPECT_EQ(dropout(x, 1, false).raw(), x.raw());
  EXPECT_EQ(dropout(x, 0, true).raw(), x.raw());
  EXPECT_EQ(default_generator().draws, draws);
}

TEST(Dropout, DropsTheRightShareAndScalesTheRest) {
  constexpr std::int64_t count = 100001;
  for (const double p : {0.1, 0.5, 0.75}) {
    manual_seed(5);
    const std::vector<double> y = dropout(Tensor::full({count}, 1, DType::f64), p, true).to_vector();
    double dropped = 0;
    for (const double value : y) {
      if (value == 0) {
        ++dropped;
      } else {
        ASSERT_DOUBLE_EQ(value, 1 / (1 - p));
      }
    }
    // Five standard deviations of a binomial.
    EXPECT_NEAR(dropped / count, p, 5 * std::sqrt(p * (1 - p) / count));
  }
}

TEST(Dropout, NeighboursAreIndependent) {
  constexpr std::int64_t count = 100000;
  manual_seed(6);
  const std::vector<double> y = dropout(Tensor::full({count}, 1, DType::f64), 0.5, true).to_vector();
  for (const std::size_t lag : {1U, 2U, 3U, 4U, 8U}) {
    double both = 0;
    for (std::size_t i = lag; i < y.size(); ++i) both += y[i] != 0 && y[i - lag] != 0 ? 1 : 0;
    EXPECT_NEAR(both / count, 0.25, 0.01) << "lag " << lag;
  }
}

TEST(Dropout, OneGivesZeros) {
  Tensor x = random_tensor({50}, 1).set_requires_grad();
  const Tensor y = dropout(x, 1, true);
  y.backward(Tensor::full({50}, 1, DType::f64));
  expect_close(y, Tensor::zeros({50}, DType::f64), 0, 0);
  expect_close(x.grad(), Tensor::zeros({50}, DType::f64), 0, 0);
}

TEST(Dropout, TheSeedAndTheDrawDecide) {
  const Tensor x = Tensor::full({1000}, 1);
  manual_seed(7);
  const Tensor first = dropout(x, 0.5, true);
  const Tensor second = dropout(x, 0.5, true);
  manual_seed(7);
  EXPECT_TRUE(same_bits(dropout(x, 0.5, true), first));
  EXPECT_FALSE(same_bits(first, second));
  // The mask is one of places: a longer tensor starts like a shorter one.
  manual_seed(7);
  const std::vector<double> longer = dropout(Tensor::full({1003}, 1), 0.5, true).to_vector();
  EXPECT_EQ(std::vector<double>(longer.begin(), longer.begin() + 1000), first.to_vector());
}

TEST(Dropout, Gradcheck) {
  int cases = 0;
  for (const double p : {0.2, 0.5, 0.9, 1.0}) {
    for (const Shape& shape : {Shape{7}, Shape{3, 5}, Shape{2, 3, 4, 5}}) {
      const auto seed = static_cast<std::uint64_t>(++cases);
      const auto op = [&](const std::vector<Tensor>& in) {
        manual_seed(seed);
        return dropout(in[0], p, true);
      };
      const auto result = gradcheck(op, {random_tensor(shape, 2).set_requires_grad()});
      EXPECT_TRUE(result) << result.message;
    }
  }
}

TEST(Dropout, LowPrecision) {
  const auto op = [](const std::vector<Tensor>& in) {
    manual_seed(3);
    return dropout(in[0], 0.3, true);
  };
  for (const std::int64_t count : {1, 3, 4, 8193}) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      // The scale and the product.
      expect_within_rounding(op, {random_tensor({count}, 1, dtype)}, {{2, 0, dtype}, {2, 0, dtype}});
    }
  }
}

TEST(Dropout, ThreadsDoNotMatter) {
  expect_same_bits_with_threads(
      [](const std::vector<Tensor>& in) {
        manual_seed(4);
        return dropout(in[0], 0.5, true);
      },
      {random_tensor({50001}, 1, DType::f32)});
}

TEST(Dropout, Errors) {
  const Tensor x = Tensor::zeros({2});
  EXPECT_EQ(message_of<std::invalid_argument>([&] { dropout(x, 1.5, true); }),
            "[dropout] expected p between 0 and 1, got 1.5");
  EXPECT_THROW(dropout(x, -0.1, false), std::invalid_argument);
  EXPECT_THROW(dropout(x, std::nan(""), true), std::invalid_argument);
  Module root;
  EXPECT_THROW(Dropout(root, "drop", 2), std::invalid_argument);
}

TEST(Dropout, LayerFollowsTheMode) {
  Module root;
  Dropout drop(root, "drop", 1);
  EXPECT_EQ(drop.kind(), "Dropout");
  const Tensor x = Tensor::full({3}, 2);
  EXPECT_EQ(drop(x).to_vector(), (std::vector<double>{0, 0, 0}));
  root.eval();
  EXPECT_EQ(drop(x).to_vector(), (std::vector<double>{2, 2, 2}));
}

}  // namespace
}  // namespace striate

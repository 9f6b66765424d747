#include "models/equivariance.h"

#include <gtest/gtest.h>

#include <string>

#include "core/reduce.h"
#include "layers/activations.h"
#include "layers/conv2d.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "layers/p4_conv.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using namespace testing_support;

struct Plain : Layer {
  Conv2d conv{*this, "conv", 3, 8, {.kernel_size = 3, .padding = 1}};
  MaxPool2d pool{*this, "pool", {.kernel_size = 2}};
  Conv2d strided{*this, "strided", 8, 8, {.kernel_size = 3, .stride = 2, .padding = 1}};
  Linear fc{*this, "fc", 8, 5};
  Tensor forward(const Tensor& x) override {
    return fc(mean(relu(strided(pool(relu(conv(x))))), {Axis::height, Axis::width}));
  }
};

struct Turning : Layer {
  P4ConvZ2 lift{*this, "lift", 3, 4, {.kernel_size = 3, .padding = 1}};
  P4ConvP4 conv{*this, "conv", 4, 5, {.kernel_size = 3, .padding = 1}};
  Tensor forward(const Tensor& x) override {
    return mean(p4_max_pool(conv(relu(lift(x)))), {Axis::height, Axis::width});
  }
};

TEST(Equivariance, ShiftsByMultiplesOfTheJumpMoveTheInsideOfMaps) {
  Plain net;
  net.to(DType::f64);
  const auto rows = equivariance(net, random_tensor({2, 32, 32, 3}, 1), {.shift = 8});
  ASSERT_EQ(rows.size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(rows[i].path);
    ASSERT_TRUE(rows[i].inside);
    EXPECT_LT(*rows[i].inside, 1e-12);
    EXPECT_GT(*rows[i].everywhere, 1e-3);  // padding is no part of the picture
    EXPECT_GT(rows[i].unmoved, 0.1);
  }
  EXPECT_EQ(rows[2].path, "strided");
  EXPECT_EQ(rows[2].moved_by, 2);
  EXPECT_FALSE(rows[3].inside);
  EXPECT_FALSE(rows[3].everywhere);
  EXPECT_LT(rows[3].unmoved, 0.1);  // the mean over all places is nearly invariant
}

TEST(Equivariance, StridesAndPoolsBreakOtherShifts) {
  Plain net;
  net.to(DType::f64);
  const auto rows = equivariance(net, random_tensor({2, 32, 32, 3}, 1), {.shift = 1});
  EXPECT_LT(*rows[0].inside, 1e-12);
  EXPECT_EQ(rows[1].moved_by, 0.5);
  EXPECT_GT(*rows[1].inside, 0.1);
  EXPECT_GT(*rows[2].inside, 0.01);
}

TEST(Equivariance, HasNoInsideWherePaddingReachesEverywhere) {
  Plain net;
  EXPECT_FALSE(equivariance(net, random_tensor({1, 8, 8, 3}, 1, DType::f32), {.shift = 4})[2].inside);
}

TEST(Equivariance, QuarterTurnsMoveOrientations) {
  Turning net;
  net.to(DType::f64);
  const Tensor images = random_tensor({2, 9, 9, 3}, 1);
  for (const auto& row : equivariance(net, images, {.quarter_turn = true})) {
    EXPECT_LT(*row.reoriented, 1e-12) << row.path;
    EXPECT_GT(*row.everywhere, 0.1) << row.path;
  }
  Plain plain;
  plain.to(DType::f64);
  for (const auto& row : equivariance(plain, random_tensor({2, 32, 32, 3}, 1), {.quarter_turn = true})) {
    for (const std::optional<double>& distance : {row.everywhere, row.reoriented}) {
      EXPECT_GT(distance.value_or(1), 0.1) << row.path;
    }
  }
}

TEST(Equivariance, ALayerThatIsCalledTwiceHasTwoRows) {
  struct Twice : Layer {
    MaxPool2d pool{*this, "pool", {.kernel_size = 2}};
    Tensor forward(const Tensor& x) override { return pool(pool(x)); }
  } net;
  const auto rows = equivariance(net, random_tensor({1, 16, 16, 3}, 1, DType::f32), {.shift = 4});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].height, 8);
  EXPECT_EQ(rows[1].height, 4);
}

TEST(Equivariance, RefusesWhatCannotMove) {
  Plain net;
  const Tensor wide = random_tensor({1, 8, 9, 3}, 1, DType::f32);
  expect_error<ShapeError>([&] { equivariance(net, wide, {.quarter_turn = true}); }, {"equivariance", "(1,8,9,3)"});
  expect_error<std::invalid_argument>([&] { equivariance(net, wide, {.shift = -1}); }, {"shift"});
}

TEST(Equivariance, IsATable) {
  Plain net;
  const Tensor images = random_tensor({1, 32, 32, 3}, 1, DType::f32);
  const std::string shifted = format_equivariance(equivariance(net, images, {.shift = 1}), {.shift = 1});
  EXPECT_NE(shifted.find("moved by"), std::string::npos) << shifted;
  EXPECT_NE(shifted.find("0.25"), std::string::npos) << shifted;
  const Motion turn{.quarter_turn = true};
  EXPECT_NE(format_equivariance(equivariance(net, images, turn), turn).find("next orientation"), std::string::npos);
}

}  // namespace
}  // namespace striate

// Update: what becomes of a step's gradients under loss scaling and clipping.

#include "optim/update.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "optim/sgd.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;

struct Tiny : Module {
  Tiny() {
    add_parameter("a", a, Tensor::full({3, 2}, 1));
    add_parameter("b", b, Tensor::full({5}, 2));
  }
  Tensor a, b;
};

constexpr LossScalerOptions fixed{.init_scale = 128, .dynamic = false};

class UpdateOf : public testing::Test {
 protected:
  /// One step, all gradients of which have this value.
  void apply(Update& update, double gradient) {
    update.begin(0.1);
    for (NamedTensor& parameter : model_.parameters()) {
      parameter.value.set_grad(Tensor::full(parameter.value.shape(), gradient));
    }
    update.apply();
  }
  [[nodiscard]] double first() const { return model_.a.to_vector()[0]; }

  Tiny model_;
  Sgd sgd_{model_.parameters()};
};

TEST_F(UpdateOf, StepsAtTheRateItBeganWith) {
  Update update(sgd_, model_.parameters());
  EXPECT_EQ(update.loss_scale(), 1);
  EXPECT_EQ(update.describe(), "");
  apply(update, 2);
  EXPECT_FLOAT_EQ(static_cast<float>(first()), 0.8F);
  EXPECT_FALSE(update.collapsed());
}

TEST_F(UpdateOf, SkipsWhatIsNotFiniteUntilNoScaleHelps) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  Update update(sgd_, model_.parameters(), {.loss_scale = LossScalerOptions{}});
  EXPECT_EQ(update.loss_scale(), 65536);
  const double before = first();
  for (int i = 0; i < 16; ++i) apply(update, infinite);
  EXPECT_EQ(first(), before);
  EXPECT_EQ(update.loss_scale(), 1);
  EXPECT_FALSE(update.collapsed());
  apply(update, 1);
  EXPECT_NE(first(), before);
  apply(update, infinite);
  EXPECT_TRUE(update.collapsed());
  EXPECT_EQ(update.describe(), "loss scale 0.5, skipped steps: 17");
}

TEST_F(UpdateOf, AFixedScaleIsGivenUpAfterTwentyInARow) {
  Update update(sgd_, model_.parameters(), {.loss_scale = fixed});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int i = 0; i < 19; ++i) apply(update, nan);
  EXPECT_FALSE(update.collapsed());
  apply(update, 0.5);
  for (int i = 0; i < 19; ++i) apply(update, nan);
  EXPECT_FALSE(update.collapsed());
  apply(update, nan);
  EXPECT_TRUE(update.collapsed());
  EXPECT_EQ(update.loss_scale(), 128);
}

// Every gradient is far above the norm, with and without a loss scale: SGD's step is as long as clip_norm says.
TEST_F(UpdateOf, ClipsWhatWasUnscaled) {
  for (const auto& scale : {std::optional<LossScalerOptions>(), std::optional(fixed)}) {
    Update update(sgd_, model_.parameters(), {.clip_norm = 0.5, .loss_scale = scale});
    std::vector<std::vector<double>> before;
    for (const NamedTensor& parameter : model_.parameters()) before.push_back(parameter.value.to_vector());
    apply(update, 1e4);
    double squares = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      const std::vector<double> now = model_.parameters()[i].value.to_vector();
      for (std::size_t j = 0; j < now.size(); ++j) squares += (now[j] - before[i][j]) * (now[j] - before[i][j]);
    }
    EXPECT_NEAR(std::sqrt(squares), 0.1 * 0.5, 1e-5) << scale.has_value();
  }
}

TEST_F(UpdateOf, GoesOnFromWhatWasSaved) {
  const UpdateOptions options{.loss_scale = LossScalerOptions{.growth_interval = 3}};
  Update update(sgd_, model_.parameters(), options);
  for (const double gradient : {1.0, std::numeric_limits<double>::infinity(), 1.0, 1.0}) apply(update, gradient);
  TrainingState state{.model = model_, .optimizer = sgd_};
  update.save(state);
  Update restored(sgd_, model_.parameters(), options);
  restored.load(state);
  EXPECT_EQ(restored.describe(), "loss scale 32768, skipped steps: 1");
  apply(restored, 1);
  EXPECT_EQ(restored.loss_scale(), 65536) << "the third finite step in a row";
}

TEST_F(UpdateOf, RefusesANegativeNorm) {
  expect_error<std::invalid_argument>([&] { Update(sgd_, model_.parameters(), {.clip_norm = -1}); },
                                      {"[update] expected clip_norm >= 0, got -1"});
}

}  // namespace
}  // namespace striate

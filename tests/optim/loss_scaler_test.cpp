#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "core/autograd.h"
#include "optim/update.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::random_tensor;

NamedTensor with_grad(const std::string& name, const Tensor& gradient) {
  NamedTensor named{name, Tensor::zeros(gradient.shape(), gradient.dtype()), {}};
  named.value.set_requires_grad().set_grad(gradient);
  return named;
}

// What torch.cuda.amp.GradScaler's documentation says of update(), step by step, for growth_interval=3: "multiplied by
// backoff_factor" after a step with infs or NaNs, "by growth_factor if no inf/NaN gradients occur for growth_interval
// consecutive iterations".
TEST(LossScaler, TheScalesOfGradScaler) {
  LossScaler scaler({.growth_interval = 3});
  EXPECT_EQ(scaler.scale(), 65536);
  struct Step {
    bool finite;
    double scale;
    double tracker;
  };
  const std::vector<Step> steps{
      {false, 32768, 0},                                        // too high from the start
      {true, 32768, 1},  {true, 32768, 2},  {true, 65536, 0},   // the third in a row
      {true, 65536, 1},  {true, 65536, 2},  {false, 32768, 0},  // two are not three, and are forgotten
      {true, 32768, 1},  {false, 16384, 0}, {false, 8192, 0},   // each one halves
      {true, 8192, 1},   {true, 8192, 2},   {true, 16384, 0},   // and growth counts anew
      {true, 16384, 1},  {true, 16384, 2},  {true, 32768, 0},
  };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    scaler.update(steps[i].finite);
    EXPECT_EQ(scaler.scale(), steps[i].scale) << "after update " << i;
    EXPECT_EQ(scaler.tracker(), steps[i].tracker) << "after update " << i;
  }
}

TEST(LossScaler, GrowsAfterTwoThousandStepsByDefault) {
  LossScaler scaler;
  for (int i = 1; i < 2000; ++i) scaler.update(true);
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 131072);
}

TEST(LossScaler, NeverGrowsBeyondF32) {
  LossScaler scaler({.init_scale = 0x1p126, .growth_interval = 1});
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 0x1p127);
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 0x1p127);
  EXPECT_EQ(scaler.tracker(), 0);
}

TEST(LossScaler, AFixedScaleStays) {
  LossScaler scaler({.init_scale = 128, .growth_interval = 1, .dynamic = false});
  for (const bool finite : {true, false, false, true, true}) scaler.update(finite);
  EXPECT_EQ(scaler.scale(), 128);
}

TEST(LossScaler, ScalingAndUnscalingByAPowerOfTwoChangesNoBit) {
  const LossScaler scaler({.init_scale = 4096});
  Tensor w = random_tensor({3}, 1, DType::f32).set_requires_grad();
  Tensor loss = Tensor::from<float>({}, {0});
  record("identity", loss, {w}, [](Backward& bw) {
    Tensor dw = random_tensor({3}, 2, DType::f32);
    for (std::int64_t i = 0; i < 3; ++i) dw.mutable_data<float>()[i] *= bw.dy().data<float>()[0];
    bw.add(0, dw);
  });
  loss.backward(Tensor::full({}, scaler.scale()));
  const Tensor plain = random_tensor({3}, 2, DType::f32);
  EXPECT_EQ(w.grad().to_vector()[1], 4096 * plain.to_vector()[1]);
  EXPECT_TRUE(scaler.unscale({{"w", w, {}}}));
  EXPECT_EQ(w.grad().to_vector(), plain.to_vector());
}

// PyTorch: inv_scale = scale.double().reciprocal().float().
TEST(LossScaler, MultipliesByTheReciprocalInTheGradientsType) {
  const LossScaler scaler({.init_scale = 1000});
  const std::vector<NamedTensor> parameters{with_grad("f32", Tensor::from<float>({2}, {3, -7})),
                                            with_grad("f64", Tensor::from<double>({1}, {3}))};
  EXPECT_TRUE(scaler.unscale(parameters));
  const auto inverse = static_cast<float>(1.0 / 1000);
  EXPECT_EQ(parameters[0].value.grad().to_vector(), (std::vector<double>{3 * inverse, -7 * inverse}));
  EXPECT_EQ(parameters[1].value.grad().item(), 3 * (1.0 / 1000));
}

TEST(LossScaler, FindsWhatIsNotFiniteAnywhere) {
  const LossScaler scaler({.init_scale = 2});
  constexpr std::int64_t size = (1 << 14) * 2 + 3;
  const float inf = std::numeric_limits<float>::infinity();
  for (const float bad : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::int64_t at : {std::int64_t{0}, std::int64_t{1} << 14, size - 1}) {
      Tensor gradient = Tensor::full({size}, 2);
      gradient.mutable_data<float>()[at] = bad;
      const std::vector<NamedTensor> parameters{with_grad("fine", Tensor::full({3}, 2)), with_grad("bad", gradient),
                                                with_grad("after", Tensor::full({3}, 2))};
      EXPECT_FALSE(scaler.unscale(parameters)) << bad << " at " << at;
      EXPECT_EQ(parameters[2].value.grad().to_vector(), std::vector<double>(3, 1));
    }
  }
  EXPECT_TRUE(scaler.unscale({with_grad("largest", Tensor::full({3}, std::numeric_limits<float>::max()))}));
}

TEST(LossScaler, SkipsParametersWithoutAGradientAndSparesOtherTensors) {
  const LossScaler scaler({.init_scale = 2});
  const Tensor mine = Tensor::from<float>({1}, {2});
  const NamedTensor frozen{"frozen", Tensor::zeros({3}), {}};
  const std::vector<NamedTensor> parameters{with_grad("a", mine), frozen};
  EXPECT_TRUE(scaler.unscale(parameters));
  EXPECT_EQ(parameters[0].value.grad().item(), 1);
  EXPECT_EQ(mine.item(), 2) << "set_grad shares memory with the tensor it is given";
}

TEST(LossScaler, GoesOnFromWhatWasSaved) {
  LossScaler scaler({.growth_interval = 3});
  scaler.load_state(256, 2);
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 512);
  expect_error<std::invalid_argument>([&] { scaler.load_state(0, 1); }, {"[loss_scaler]", "scale > 0", "got 0"});
  expect_error<std::invalid_argument>([&] { scaler.load_state(1, 3); }, {"below growth_interval", "got 3"});
  expect_error<std::invalid_argument>([&] { scaler.load_state(1, 0.5); }, {"counts steps", "got 0.5"});
  EXPECT_EQ(scaler.scale(), 512);
}

TEST(LossScaler, RefusesOptionsOutOfRange) {
  const auto expect_refused = [](const LossScalerOptions& options, const std::string& what) {
    expect_error<std::invalid_argument>([&] { LossScaler{options}; }, {"[loss_scaler]", what});
  };
  expect_refused({.init_scale = 0}, "init_scale > 0");
  expect_refused({.init_scale = std::numeric_limits<double>::infinity()}, "init_scale > 0 and finite");
  expect_refused({.growth_factor = 1}, "growth_factor > 1");
  expect_refused({.backoff_factor = 1}, "backoff_factor between 0 and 1");
  expect_refused({.growth_interval = 0}, "growth_interval >= 1");
}

}  // namespace
}  // namespace striate

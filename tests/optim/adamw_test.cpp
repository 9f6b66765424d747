#include "optim/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/parallel.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::random_tensor;

NamedTensor parameter(Shape shape, DType dtype = DType::f64) {
  return {"w", random_tensor(std::move(shape), 1, dtype).set_requires_grad(), {}};
}

// In its first step m / (1 - beta1) is the gradient and the root its size: every weight moves by lr, after the decay.
TEST(AdamW, TheFirstStepIsOfTheLearningRate) {
  Tensor w = Tensor::from<double>({3}, {1, 1, 1}).set_requires_grad();
  AdamW adamw({{"w", w, {}}}, {.lr = 0.25, .eps = 0, .weight_decay = 0.5});
  w.set_grad(Tensor::from<double>({3}, {3, -0.001, 1e9}));
  adamw.step();
  const std::vector<double> expected{0.875 - 0.25, 0.875 + 0.25, 0.875 - 0.25};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(w.to_vector()[i], expected[i], 1e-15);
}

TEST(AdamW, HasPyTorchsDefaults) {
  const NamedTensor w = parameter({2});
  const AdamW adamw({w});
  EXPECT_EQ(adamw.groups()[0].lr, 1e-3);
  EXPECT_EQ(adamw.groups()[0].weight_decay, 1e-2);
  EXPECT_EQ(adamw.description(), "adamw:beta1=0.9,beta2=0.999,eps=1e-08");
}

TEST(AdamW, SameBitsWithAnyThreads) {
  const int before = num_threads();
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    NamedTensor w = parameter({300, 301}, DType::f32);
    AdamW adamw({w});
    for (std::uint64_t step = 0; step < 3; ++step) {
      w.value.set_grad(random_tensor(w.value.shape(), step, DType::f32));
      adamw.step();
    }
    results.push_back(w.value.to_vector());
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
}

TEST(AdamW, RefusesOptionsOutOfRange) {
  const NamedTensor w = parameter({2});
  const auto expect_refused = [&](const AdamWOptions& options, const std::string& what) {
    expect_error<std::invalid_argument>([&] { AdamW({w}, options); }, {"[adamw] expected", what});
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_refused({.lr = -1}, "lr >= 0, got -1");
  expect_refused({.beta1 = 1}, "beta1 of 0 or more and below 1, got 1");
  expect_refused({.beta2 = -0.1}, "beta2 of 0 or more and below 1");
  expect_refused({.beta2 = nan}, "beta2");
  expect_refused({.eps = -1}, "eps >= 0");
  expect_refused({.weight_decay = nan}, "weight_decay >= 0, got nan");
  expect_error<std::invalid_argument>([&] { AdamW({ParameterGroup{.parameters = {w}}}, {.lr = 0.1}); },
                                      {"[adamw] expected lr and weight_decay in the groups"});
}

}  // namespace
}  // namespace striate

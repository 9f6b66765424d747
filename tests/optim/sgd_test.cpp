#include "optim/sgd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>

#include "core/parallel.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::random_tensor;

NamedTensor parameter(const std::string& name, Shape shape, std::uint64_t seed, DType dtype = DType::f64,
                      std::vector<int> file_axes = {}) {
  Tensor value = random_tensor(std::move(shape), seed, dtype);
  return {name, value.set_requires_grad(), std::move(file_axes)};
}

void set_grad(NamedTensor& named, std::uint64_t seed) {
  named.value.set_grad(random_tensor(named.value.shape(), seed, named.value.dtype()));
}

/// The algorithm as PyTorch's documentation of torch.optim.SGD writes it down, in doubles.
struct NaiveSgd {
  SgdOptions options;
  std::vector<double> w;
  std::optional<std::vector<double>> b;

  void step(std::vector<double> g) {
    const SgdOptions& o = options;
    for (std::size_t i = 0; i < w.size(); ++i) g[i] = g[i] + o.weight_decay * w[i];
    if (o.momentum != 0) {
      if (!b) {
        b = g;
      } else {
        for (std::size_t i = 0; i < w.size(); ++i) (*b)[i] = o.momentum * (*b)[i] + (1 - o.dampening) * g[i];
      }
      for (std::size_t i = 0; i < w.size(); ++i) g[i] = o.nesterov ? g[i] + o.momentum * (*b)[i] : (*b)[i];
    }
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = w[i] - o.lr * g[i];
  }
};

std::vector<SgdOptions> option_cases() {
  return {
      {.lr = 0.1},
      {.lr = 0.1, .weight_decay = 0.01},
      {.lr = 0.1, .momentum = 0.9},
      {.lr = 0.1, .momentum = 0.9, .dampening = 0.25},
      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01},
      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
      {.lr = 0.1, .momentum = 0.5, .dampening = 1, .weight_decay = 0.1},
  };
}

void check_against_naive(DType dtype, double tolerance) {
  for (const SgdOptions& options : option_cases()) {
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{3, 5}, Shape{129, 257}}) {
      NamedTensor p = parameter("w", shape, 1, dtype);
      Sgd optimizer({p}, options);
      NaiveSgd naive{options, p.value.to_vector(), {}};
      for (std::uint64_t step = 0; step < 4; ++step) {
        set_grad(p, 10 + step);
        naive.step(p.value.grad().to_vector());
        optimizer.step();
      }
      expect_close(p.value, Tensor::from(shape, naive.w), tolerance, tolerance);
    }
  }
}

// A step adds at most five roundings to values below 4.
TEST(Sgd, MatchesTheNaiveFormulasInF64) {
  check_against_naive(DType::f64, 4 * 20 * std::numeric_limits<double>::epsilon());
}
TEST(Sgd, MatchesTheNaiveFormulasInF32) {
  check_against_naive(DType::f32, 4 * 20 * std::numeric_limits<float>::epsilon());
}

// Round numbers, worked out by hand: lr 1/2, momentum 1/2, decay 1/4, gradient 1.
TEST(Sgd, FirstStepsByHand) {
  NamedTensor p{"w", Tensor::from<float>({1}, {4}).set_requires_grad(), {}};
  Sgd optimizer({p}, {.lr = 0.5, .momentum = 0.5, .weight_decay = 0.25, .nesterov = true});
  p.value.set_grad(Tensor::from<float>({1}, {1}));
  optimizer.step();  // d = 2, m = 2, w = 4 - (2 + 1) / 2
  EXPECT_EQ(p.value.item(), 2.5);
  EXPECT_EQ(optimizer.state()[0].second.item(), 2);
  optimizer.step();  // d = 1.625, m = 2.625, w = 2.5 - (1.625 + 1.3125) / 2
  EXPECT_EQ(p.value.item(), 1.03125);
  EXPECT_EQ(optimizer.state()[0].second.item(), 2.625);
  EXPECT_EQ(p.value.grad().item(), 1) << "the gradient stays as it is";
}

TEST(Sgd, SkipsParametersWithoutAGradient) {
  NamedTensor with = parameter("with", {3}, 1);
  NamedTensor without = parameter("without", {3}, 2);
  Sgd optimizer({with, without}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  const std::vector<double> before = without.value.to_vector();
  set_grad(with, 3);
  optimizer.step();
  EXPECT_EQ(without.value.to_vector(), before);
  ASSERT_EQ(optimizer.state().size(), 3U);
  EXPECT_EQ(optimizer.state()[0].first, "momentum.with");
  EXPECT_EQ(optimizer.state()[1].first, "step.with");
  optimizer.zero_grad();
  EXPECT_FALSE(with.value.grad().defined());
  const std::vector<double> after = with.value.to_vector();
  optimizer.step();
  EXPECT_EQ(with.value.to_vector(), after);
}

// 0 * inf is not a number: a decay of 0 must not touch the weights.
TEST(Sgd, WithoutDecayTheGradientAloneCounts) {
  const double inf = std::numeric_limits<double>::infinity();
  NamedTensor p{"w", Tensor::from<double>({1}, {inf}).set_requires_grad(), {}};
  Sgd optimizer({p}, {.lr = 0.1, .momentum = 0.9});
  set_grad(p, 1);
  optimizer.step();
  EXPECT_EQ(p.value.item(), inf);
}

TEST(Sgd, SameBitsWithAnyThreads) {
  const int before = num_threads();
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    NamedTensor p = parameter("w", {300, 301}, 1, DType::f32);
    Sgd optimizer({p}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
    for (std::uint64_t step = 0; step < 3; ++step) {
      set_grad(p, step);
      optimizer.step();
    }
    results.push_back(p.value.to_vector());
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
}

TEST(Sgd, GroupsHaveTheirOwnSettings) {
  NamedTensor a = parameter("a", {3}, 1);
  NamedTensor b = parameter("b", {3}, 2);
  NaiveSgd naive_a{{.lr = 0.2, .momentum = 0.9}, a.value.to_vector(), {}};
  NaiveSgd naive_b{{.lr = 0.02, .momentum = 0.9, .weight_decay = 0.5}, b.value.to_vector(), {}};
  Sgd optimizer(
      {ParameterGroup{.parameters = {a}}, ParameterGroup{.parameters = {b}, .lr_scale = 0.1, .weight_decay = 0.5}},
      {.momentum = 0.9});
  optimizer.set_lr(0.2);
  EXPECT_DOUBLE_EQ(optimizer.groups()[0].lr, 0.2);
  EXPECT_DOUBLE_EQ(optimizer.groups()[1].lr, 0.02);
  for (std::uint64_t step = 0; step < 3; ++step) {
    set_grad(a, 10 + step);
    set_grad(b, 20 + step);
    naive_a.step(a.value.grad().to_vector());
    naive_b.step(b.value.grad().to_vector());
    optimizer.step();
  }
  expect_close(a.value, Tensor::from({3}, naive_a.w), 1e-14, 1e-14);
  expect_close(b.value, Tensor::from({3}, naive_b.w), 1e-14, 1e-14);
}

TEST(Sgd, RefusesOptionsOutOfRange) {
  const NamedTensor p = parameter("w", {2}, 1);
  const auto expect_refused = [&](const SgdOptions& options, const std::string& what) {
    expect_error<std::invalid_argument>([&] { Sgd({p}, options); }, {"[sgd]", what});
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_refused({.lr = -0.1}, "lr >= 0, got -0.1");
  expect_refused({.lr = nan}, "lr >= 0, got nan");
  expect_refused({.momentum = -1}, "momentum >= 0");
  expect_refused({.weight_decay = -1}, "weight_decay >= 0");
  expect_refused({.momentum = 0.9, .dampening = nan}, "finite dampening");
  expect_refused({.nesterov = true}, "momentum > 0 and dampening 0 with nesterov");
  expect_refused({.momentum = 0.9, .dampening = 0.1, .nesterov = true}, "momentum > 0 and dampening 0");
  Sgd optimizer({p}, {});
  EXPECT_THROW(optimizer.set_lr(nan), std::invalid_argument);
  expect_error<std::invalid_argument>([&] { Sgd({ParameterGroup{.parameters = {p}}}, {.weight_decay = 0.1}); },
                                      {"[sgd] expected lr and weight_decay in the groups"});
}

}  // namespace
}  // namespace striate

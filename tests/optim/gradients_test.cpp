#include "optim/gradients.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/parallel.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::random_tensor;

NamedTensor with_grad(const std::string& name, const Tensor& gradient) {
  NamedTensor named{name, Tensor::zeros(gradient.shape(), gradient.dtype()), {}};
  named.value.set_requires_grad().set_grad(gradient);
  return named;
}

TEST(ClipGradNorm, ByHand) {
  const std::vector<NamedTensor> parameters{with_grad("a", Tensor::from<float>({2}, {3, 0})),
                                            with_grad("b", Tensor::from<double>({1, 1}, {-4}))};
  EXPECT_EQ(clip_grad_norm_(parameters, 5.1), 5);
  EXPECT_EQ(parameters[0].value.grad().to_vector(), (std::vector<double>{3, 0}));
  EXPECT_EQ(clip_grad_norm_(parameters, 1), 5);
  expect_close(parameters[0].value.grad(), Tensor::from<double>({2}, {3 / 5.000001, 0}), 0, 2e-7);
  expect_close(parameters[1].value.grad(), Tensor::from<double>({1, 1}, {-4 / 5.000001}), 0, 1e-15);
  EXPECT_NEAR(clip_grad_norm_(parameters, 1), 1, 1e-6);
}

TEST(ClipGradNorm, MatchesTheNaiveNormAtAwkwardSizes) {
  const int before = num_threads();
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    std::vector<double> norms;
    double naive = 0;
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      std::vector<NamedTensor> parameters;
      naive = 0;
      for (const std::int64_t size : {1, 7, 8, 9, 16383, 16384, 16385, 50001}) {
        parameters.push_back(with_grad(std::to_string(size), random_tensor({size}, 1, dtype)));
        for (const double g : parameters.back().value.grad().to_vector()) naive += g * g;
      }
      norms.push_back(clip_grad_norm_(parameters, 0.5));
    }
    EXPECT_EQ(norms[0], norms[1]);
    EXPECT_NEAR(norms[0], std::sqrt(naive), 1e-12 * std::sqrt(naive));
  }
  set_num_threads(before);
}

TEST(ClipGradNorm, LeavesWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const std::vector<NamedTensor> parameters{with_grad("a", Tensor::from<float>({2}, {bad, 8}))};
    EXPECT_FALSE(std::isfinite(clip_grad_norm_(parameters, 1)));
    EXPECT_EQ(parameters[0].value.grad().to_vector()[1], 8);
  }
}

TEST(ClipGradNorm, SkipsParametersWithoutAGradientAndSparesOtherTensors) {
  const Tensor mine = Tensor::from<float>({1}, {2});
  NamedTensor without{"b", Tensor::zeros({3}).set_requires_grad(), {}};
  const std::vector<NamedTensor> parameters{with_grad("a", mine), without};
  EXPECT_EQ(clip_grad_norm_(parameters, 1), 2);
  EXPECT_FALSE(without.value.grad().defined());
  EXPECT_NEAR(parameters[0].value.grad().item(), 1, 1e-6);
  EXPECT_EQ(mine.item(), 2) << "set_grad shares memory with the tensor it is given";
  EXPECT_EQ(clip_grad_norm_({}, 1), 0);
}

TEST(ClipGradNorm, RefusesANormThatIsNotPositive) {
  for (const double norm : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    expect_error<std::invalid_argument>([&] { clip_grad_norm_({}, norm); }, {"[clip_grad_norm_]", "max_norm > 0"});
  }
}

}  // namespace
}  // namespace striate

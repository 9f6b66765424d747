#include "data/mixing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::random_tensor;

constexpr int kDraws = 20000;

std::vector<double> beta_draws(double a, double b) {
  RandomSequence random(random_stream(11, RandomUse::test));
  std::vector<double> draws(kDraws);
  std::generate(draws.begin(), draws.end(), [&] { return draw_beta(random, a, b); });
  std::sort(draws.begin(), draws.end());
  return draws;
}

/// The distribution function of Beta(a, b) at the (sorted) points: the density summed up in steps far below
/// the test's resolution, in t with x = t^2 (3 - 2t), which tames the poles at 0 and 1.
std::vector<double> beta_cdf(double a, double b, const std::vector<double>& points) {
  constexpr int kSteps = 400000;
  const double log_norm = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b);
  std::vector<double> result;
  double sum = 0;
  std::size_t next = 0;
  for (int i = 0; i < kSteps && next < points.size(); ++i) {
    const double t = (i + 0.5) / kSteps;
    const double x = t * t * (3 - 2 * t);
    for (; next < points.size() && points[next] < x; ++next) result.push_back(sum);
    const double rest = (1 - t) * (1 - t) * (1 + 2 * t);  // 1 - x, without cancellation
    sum += std::exp(log_norm + (a - 1) * std::log(x) + (b - 1) * std::log(rest)) * 6 * t * (1 - t) / kSteps;
  }
  result.resize(points.size(), 1);
  return result;
}

TEST(Mixup, BetaHasItsMomentsAndDistribution) {
  for (const auto& [a, b] : std::vector<std::pair<double, double>>{{1, 1}, {0.4, 0.4}, {2, 5}, {0.7, 3}, {8, 8}}) {
    const std::vector<double> draws = beta_draws(a, b);
    const double mean = std::accumulate(draws.begin(), draws.end(), 0.0) / kDraws;
    const double variance = a * b / ((a + b) * (a + b) * (a + b + 1));
    EXPECT_NEAR(mean, a / (a + b), 5 * std::sqrt(variance / kDraws)) << a << " " << b;
    double squares = 0;
    for (const double x : draws) squares += (x - a / (a + b)) * (x - a / (a + b));
    // A value in [0,1] has a squared deviation of at most 1, so its variance is at most that of its mean.
    EXPECT_NEAR(squares / kDraws, variance, 5 * std::sqrt(variance / kDraws)) << a << " " << b;
    const std::vector<double> cdf = beta_cdf(a, b, draws);
    double distance = 0;  // Kolmogorov-Smirnov
    for (std::size_t i = 0; i < draws.size(); ++i) {
      distance = std::max(distance, std::abs(cdf[i] - (static_cast<double>(i) + 0.5) / kDraws));
    }
    EXPECT_LT(distance, 1.95 / std::sqrt(kDraws)) << a << " " << b;  // 0.1%
  }
}

TEST(Mixup, SmallAlphasGiveNearlyOneImage) {
  int clear = 0;
  for (const double x : beta_draws(0.001, 0.001)) {
    ASSERT_TRUE(x >= 0 && x <= 1);
    clear += x < 0.01 || x > 0.99 ? 1 : 0;
  }
  EXPECT_GT(clear, kDraws * 0.98);
}

TEST(Mixup, IsAFunctionOfSeedEpochAndBatch) {
  const Mixing a = draw_mixup(1, 2, 3, 50, 0.4);
  const Mixing b = draw_mixup(1, 2, 3, 50, 0.4);
  EXPECT_EQ(a.lambda, b.lambda);
  EXPECT_EQ(a.partner, b.partner);
  EXPECT_NE(a.lambda, draw_mixup(1, 2, 4, 50, 0.4).lambda);
  EXPECT_NE(a.lambda, draw_mixup(1, 3, 3, 50, 0.4).lambda);
  EXPECT_NE(a.lambda, draw_mixup(2, 2, 3, 50, 0.4).lambda);
  EXPECT_NE(a.partner, draw_mixup(1, 2, 4, 50, 0.4).partner);
  std::vector<std::int64_t> sorted = a.partner;
  std::sort(sorted.begin(), sorted.end());
  for (std::int64_t i = 0; i < 50; ++i) EXPECT_EQ(sorted[static_cast<std::size_t>(i)], i);
}

// Mean 1/2 and variance 1 / (4 (2a + 1)), to five deviations of their estimates.
TEST(Mixup, LambdaIsFromBetaOfTheSameTwice) {
  for (const double a : {0.2, 1.0}) {
    const double variance = 1 / (4 * (2 * a + 1));
    double sum = 0;
    double squares = 0;
    for (std::uint64_t batch = 0; batch < kDraws; ++batch) {
      const double away = draw_mixup(1, 2, batch, 2, a).lambda - 0.5;
      sum += away;
      squares += away * away;
    }
    EXPECT_NEAR(sum / kDraws, 0, 5 * std::sqrt(variance / kDraws)) << a;
    EXPECT_NEAR(squares / kDraws, variance, 5 * std::sqrt(variance / 4 / kDraws)) << a;
  }
}

TEST(Mixup, BlendsImagesAndLabels) {
  const Mixing mixing{0.75, {2, 1, 0}};
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor images = random_tensor({3, 2, 2, 3}, 4, dtype);
    const std::vector<double> in = images.to_vector();
    const std::vector<double> out = mix_images(images, mixing).to_vector();
    for (std::size_t i = 0; i < 12; ++i) {
      EXPECT_NEAR(out[i], 0.75 * in[i] + 0.25 * in[24 + i], 1e-7);
      EXPECT_NEAR(out[12 + i], in[12 + i], 1e-7);
      EXPECT_NEAR(out[24 + i], 0.75 * in[24 + i] + 0.25 * in[i], 1e-7);
    }
    const Tensor labels = Tensor::from<std::int64_t>({3}, {0, 3, 1});
    const Tensor targets = mix_labels(labels, mixing, 4, dtype);
    EXPECT_EQ(targets.dtype(), dtype);
    EXPECT_EQ(targets.to_vector(), (std::vector<double>{0.75, 0.25, 0, 0, 0, 0, 0, 1, 0.25, 0.75, 0, 0}));
    expect_error<std::invalid_argument>([&] { mix_labels(labels, mixing, 3, dtype); }, {"0 .. 2", "got 3"});
  }
}

std::vector<std::int64_t> sides(const Box& box) { return {box.top, box.bottom, box.left, box.right}; }

// The values are those of rand_bbox of the authors' code (github.com/clovaai/CutMix-PyTorch, train.py), run with the
// centre given: cut = int(size * np.sqrt(1 - lam)), np.clip(centre - cut // 2, 0, size), np.clip(centre + cut // 2, 0,
// size).
TEST(CutMix, BoxIsTheAuthors) {
  using Sides = std::vector<std::int64_t>;
  EXPECT_EQ(sides(cut_box(32, 32, 0.5, 16, 16)), (Sides{5, 27, 5, 27}));
  EXPECT_EQ(sides(cut_box(32, 32, 0.3, 31, 0)), (Sides{18, 32, 0, 13}));
  EXPECT_EQ(sides(cut_box(24, 32, 0.75, 20, 5)), (Sides{14, 24, 0, 13}));
  EXPECT_EQ(sides(cut_box(32, 32, 0, 16, 16)), (Sides{0, 32, 0, 32}));
  EXPECT_EQ(sides(cut_box(32, 32, 1, 4, 3)), (Sides{4, 4, 3, 3}));
  EXPECT_EQ(sides(cut_box(7, 9, 0.6, 3, 8)), (Sides{1, 5, 6, 9}));
}

TEST(CutMix, LambdaIsTheShareThatStaysOnesOwn) {
  for (const Shape& shape : std::vector<Shape>{{6, 32, 32, 3}, {5, 7, 9, 3}, {3, 1, 1, 3}, {1, 8, 4, 3}}) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      const Tensor images = random_tensor(shape, 3, dtype);
      const std::vector<double> in = images.to_vector();
      const auto pixels = static_cast<std::size_t>(shape[1] * shape[2]);
      for (std::uint64_t batch = 0; batch < 40; ++batch) {
        const Mixing cut = draw_cutmix(4, 1, batch, shape, 1);
        const std::vector<double> out = mix_images(images, cut).to_vector();
        std::size_t own = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
          const std::size_t pixel = i / 3 % pixels;
          const auto y = static_cast<std::int64_t>(pixel) / shape[2];
          const auto x = static_cast<std::int64_t>(pixel) % shape[2];
          const bool inside = y >= cut.box->top && y < cut.box->bottom && x >= cut.box->left && x < cut.box->right;
          const std::size_t image = i / (3 * pixels);
          const auto partner = static_cast<std::size_t>(cut.partner[image]);
          ASSERT_EQ(out[i], in[inside ? partner * 3 * pixels + i % (3 * pixels) : i]);
          own += inside ? 0 : 1;
        }
        ASSERT_EQ(cut.lambda, 1 - static_cast<double>(out.size() - own) / static_cast<double>(out.size()));
      }
    }
  }
}

TEST(CutMix, LabelsAreMixedByArea) {
  const Shape shape{4, 16, 16, 3};
  const Mixing cut = draw_cutmix(4, 0, 2, shape, 1);
  ASSERT_GT(cut.lambda, 0);
  ASSERT_LT(cut.lambda, 1);
  const Tensor targets = mix_labels(Tensor::from<std::int64_t>({4}, {0, 1, 2, 3}), cut, 4, DType::f64);
  for (std::size_t n = 0; n < 4; ++n) {
    std::vector<double> want(4);
    want[n] += cut.lambda;
    want[static_cast<std::size_t>(cut.partner[n])] += 1 - cut.lambda;
    for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(targets.span<double>()[4 * n + k], want[k]);
  }
}

/// The mean and the variance of 1 - (share of the box) for Beta(1, 1), which is uniform, over all centres.
std::pair<double, double> expected_lambda(std::int64_t side) {
  constexpr int kSteps = 4000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kSteps; ++i) {
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        const Box box = cut_box(side, side, (i + 0.5) / kSteps, y, x);
        const auto area = static_cast<double>((box.bottom - box.top) * (box.right - box.left));
        const double lambda = 1 - area / static_cast<double>(side * side);
        sum += lambda;
        squares += lambda * lambda;
      }
    }
  }
  const double count = kSteps * static_cast<double>(side * side);
  return {sum / count, squares / count - sum / count * (sum / count)};
}

TEST(CutMix, DrawsLambdaAndTheCentreAlike) {
  constexpr int kCuts = 4000;
  const auto [mean, variance] = expected_lambda(16);
  double sum = 0;
  double rows = 0;  // of the box's middle, in half pixels from the image's; columns likewise
  double columns = 0;
  for (std::uint64_t n = 0; n < kCuts; ++n) {
    const Mixing cut = draw_cutmix(6, 3, n, {2, 16, 16, 3}, 1);
    sum += cut.lambda;
    rows += static_cast<double>(cut.box->top + cut.box->bottom - 16);
    columns += static_cast<double>(cut.box->left + cut.box->right - 16);
  }
  EXPECT_NEAR(sum / kCuts, mean, 5 * std::sqrt(variance / kCuts));
  // The centre is up to 16 half pixels away, and on average one to the upper left (0 .. 15 of 16).
  EXPECT_NEAR(rows / kCuts, 0, 1 + 5 * 16 / std::sqrt(kCuts));
  EXPECT_NEAR(columns / kCuts, 0, 1 + 5 * 16 / std::sqrt(kCuts));
}

TEST(CutMix, IsAFunctionOfSeedEpochAndBatch) {
  const Shape shape{50, 32, 32, 3};
  const Mixing a = draw_cutmix(1, 2, 3, shape, 1);
  const Mixing b = draw_cutmix(1, 2, 3, shape, 1);
  EXPECT_EQ(sides(a.box.value()), sides(b.box.value()));
  EXPECT_EQ(a.partner, b.partner);
  EXPECT_NE(sides(a.box.value()), sides(draw_cutmix(1, 2, 4, shape, 1).box.value()));
  EXPECT_NE(sides(a.box.value()), sides(draw_cutmix(1, 3, 3, shape, 1).box.value()));
  EXPECT_NE(sides(a.box.value()), sides(draw_cutmix(2, 2, 3, shape, 1).box.value()));
  EXPECT_NE(a.partner, draw_cutmix(1, 2, 4, shape, 1).partner);
}

TEST(CutMix, TakesHalfOfTheBatches) {
  int cuts = 0;
  for (std::uint64_t batch = 0; batch < 4000; ++batch) cuts += draw_cut(5, 2, batch) ? 1 : 0;
  EXPECT_NEAR(cuts, 2000, 5 * std::sqrt(1000));
}

}  // namespace
}  // namespace striate

#include "data/cutmix.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::random_tensor;

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
        const CutMix cut = draw_cutmix(4, 1, batch, shape, 1);
        const std::vector<double> out = cut_images(images, cut).to_vector();
        std::size_t own = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
          const std::size_t pixel = i / 3 % pixels;
          const auto y = static_cast<std::int64_t>(pixel) / shape[2];
          const auto x = static_cast<std::int64_t>(pixel) % shape[2];
          const bool inside = y >= cut.box.top && y < cut.box.bottom && x >= cut.box.left && x < cut.box.right;
          const std::size_t image = i / (3 * pixels);
          const auto partner = static_cast<std::size_t>(cut.mixing.partner[image]);
          ASSERT_EQ(out[i], in[inside ? partner * 3 * pixels + i % (3 * pixels) : i]);
          own += inside ? 0 : 1;
        }
        ASSERT_EQ(cut.mixing.lambda, 1 - static_cast<double>(out.size() - own) / static_cast<double>(out.size()));
      }
    }
  }
}

TEST(CutMix, LabelsAreMixedByArea) {
  const Shape shape{4, 16, 16, 3};
  const CutMix cut = draw_cutmix(4, 0, 2, shape, 1);
  ASSERT_GT(cut.mixing.lambda, 0);
  ASSERT_LT(cut.mixing.lambda, 1);
  const Tensor targets = mix_labels(Tensor::from<std::int64_t>({4}, {0, 1, 2, 3}), cut.mixing, 4, DType::f64);
  for (std::size_t n = 0; n < 4; ++n) {
    std::vector<double> want(4);
    want[n] += cut.mixing.lambda;
    want[static_cast<std::size_t>(cut.mixing.partner[n])] += 1 - cut.mixing.lambda;
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
  constexpr int kDraws = 4000;
  const auto [mean, variance] = expected_lambda(16);
  double sum = 0;
  double rows = 0;  // of the box's middle, in half pixels from the image's; columns likewise
  double columns = 0;
  for (std::uint64_t n = 0; n < kDraws; ++n) {
    const CutMix cut = draw_cutmix(6, 3, n, {2, 16, 16, 3}, 1);
    sum += cut.mixing.lambda;
    rows += static_cast<double>(cut.box.top + cut.box.bottom - 16);
    columns += static_cast<double>(cut.box.left + cut.box.right - 16);
  }
  EXPECT_NEAR(sum / kDraws, mean, 5 * std::sqrt(variance / kDraws));
  // The centre is up to 16 half pixels away, and on average one to the upper left (0 .. 15 of 16).
  EXPECT_NEAR(rows / kDraws, 0, 1 + 5 * 16 / std::sqrt(kDraws));
  EXPECT_NEAR(columns / kDraws, 0, 1 + 5 * 16 / std::sqrt(kDraws));
}

TEST(CutMix, IsAFunctionOfSeedEpochAndBatch) {
  const Shape shape{50, 32, 32, 3};
  const CutMix a = draw_cutmix(1, 2, 3, shape, 1);
  const CutMix b = draw_cutmix(1, 2, 3, shape, 1);
  EXPECT_EQ(sides(a.box), sides(b.box));
  EXPECT_EQ(a.mixing.partner, b.mixing.partner);
  EXPECT_NE(sides(a.box), sides(draw_cutmix(1, 2, 4, shape, 1).box));
  EXPECT_NE(sides(a.box), sides(draw_cutmix(1, 3, 3, shape, 1).box));
  EXPECT_NE(sides(a.box), sides(draw_cutmix(2, 2, 3, shape, 1).box));
  EXPECT_NE(a.mixing.partner, draw_cutmix(1, 2, 4, shape, 1).mixing.partner);
}

TEST(CutMix, TakesHalfOfTheBatches) {
  int cuts = 0;
  for (std::uint64_t batch = 0; batch < 4000; ++batch) cuts += draw_cut(5, 2, batch) ? 1 : 0;
  EXPECT_NEAR(cuts, 2000, 5 * std::sqrt(1000));
}

}  // namespace
}  // namespace striate

#include <gtest/gtest.h>

#include <vector>

#include "apps/training/evaluate.h"
#include "layers/activations.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate::cli {
namespace {

using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::random_tensor;

constexpr std::int64_t kHeight = 5;
constexpr std::int64_t kWidth = 4;

/// Every pixel has its own weight, and the relu keeps the model from being linear.
struct Everywhere : Layer {
  Linear first{*this, "first", kHeight* kWidth * 3, 20};
  Linear second{*this, "second", 20, 6};
  Tensor forward(const Tensor& x) override { return second(relu(first(flatten(x)))); }
};

/// images padded by one pixel with PyTorch's "reflect" and cut from (top, left), as airbench has it; then mirrored.
Tensor crop(const Tensor& images, std::int64_t top, std::int64_t left, bool flip) {
  const std::vector<double> in = images.to_vector();
  const std::int64_t count = images.size(0);
  // Padding 1: row -1 is row 1, row H is row H-2.
  const auto padded = [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
    const std::int64_t row = y == 0 ? 1 : (y == kHeight + 1 ? kHeight - 2 : y - 1);
    const std::int64_t column = x == 0 ? 1 : (x == kWidth + 1 ? kWidth - 2 : x - 1);
    return in[static_cast<std::size_t>(((n * kHeight + row) * kWidth + column) * 3 + c)];
  };
  std::vector<double> out;
  for (std::int64_t n = 0; n < count; ++n) {
    for (std::int64_t y = 0; y < kHeight; ++y) {
      for (std::int64_t x = 0; x < kWidth; ++x) {
        for (std::int64_t c = 0; c < 3; ++c) {
          out.push_back(padded(n, top + y, left + (flip ? kWidth - 1 - x : x), c));
        }
      }
    }
  }
  return Tensor::from(images.shape(), out);
}

/// The weights, by airbench's words: the mean of an image and its mirror image; half the plain images, half the mean
/// over the two corners of the padded ones.
std::vector<double> expected(Layer& model, const Tensor& images, const TtaOptions& options) {
  std::vector<double> sum(static_cast<std::size_t>(images.size(0) * 6));
  const auto add = [&](std::int64_t top, std::int64_t left, double weight) {
    for (const bool flip : {false, true}) {
      if (flip && !options.flip) continue;
      const std::vector<double> logits = model(crop(images, top, left, flip)).to_vector();
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * (options.flip ? 0.5 : 1) * logits[i];
    }
  };
  add(1, 1, options.shift ? 0.5 : 1);
  if (options.shift) {
    add(0, 0, 0.25);
    add(2, 2, 0.25);
  }
  return sum;
}

TEST(Tta, IsTheWeightedMeanOfItsViews) {
  Everywhere model;
  model.to(DType::f64);
  const Tensor images = random_tensor({3, kHeight, kWidth, 3}, 1);
  for (const bool flip : {false, true}) {
    for (const bool shift : {false, true}) {
      const TtaOptions options{flip, shift};
      expect_close(tta_logits(model, images, options), Tensor::from({3, 6}, expected(model, images, options)), 1e-14,
                   1e-14);
    }
  }
}

TEST(Tta, LowPrecisionsAreAveragedInFloat) {
  Everywhere model;
  const Tensor images = random_tensor({3, kHeight, kWidth, 3}, 1, DType::bf16);
  const Tensor logits = tta_logits(model, images, {.flip = true});
  EXPECT_EQ(logits.dtype(), DType::f32);
  Tensor mirrored = Tensor::empty(images.shape(), DType::bf16);
  mirrored.copy_from(crop(images, 1, 1, true));
  const std::vector<double> own = model(images).to_vector();
  const std::vector<double> mirror = model(mirrored).to_vector();
  std::vector<double> mean;
  for (std::size_t i = 0; i < own.size(); ++i) mean.push_back((own[i] + mirror[i]) / 2);
  EXPECT_EQ(logits.to_vector(), mean);  // two bf16 of near exponents fit a float's sum
}

TEST(Tta, RefusesWhatDoesNotFit) {
  Everywhere model;
  expect_error<ShapeError>([&] { tta_logits(model, random_tensor({3, 4, 3}, 1), {}); }, {"(N,H,W,C)", "(3,4,3)"});
  expect_error<ShapeError>(
      [&] {
        tta_logits(model, random_tensor({3, 1, 4, 3}, 1), {.shift = true});
      },
      {"at least 2", "(3,1,4,3)"});
}

}  // namespace
}  // namespace striate::cli

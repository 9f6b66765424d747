// The receptive field by formula against the pixels that get a gradient.

#include <gtest/gtest.h>

#include <algorithm>

#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/conv2d.h"
#include "layers/sequential.h"
#include "models/summary.h"
#include "models/vgg.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

// A narrow VGG16 without its classifier. Average pools spread the gradient to all of their inputs, and with
// positive weights and images no ReLU is closed and nothing cancels.
void build(Sequential& features) {
  std::int64_t channels = 3;
  for (const std::int64_t planned : vgg_plan(16)) {
    if (planned == 0) {
      features.add<AvgPool2d>(AvgPool2dOptions{.kernel_size = 2});
      continue;
    }
    auto& conv = features.add<Conv2d>(channels, 2, Conv2dOptions{.kernel_size = 3, .padding = 1, .bias = false});
    conv.weight.copy_from(testing_support::random_tensor(conv.weight.shape(), 7, DType::f64, 0.05, 0.1));
    features.add<ReLU>();
    channels = 2;
  }
}

TEST(ReceptiveField, FormulaAgreesWithGradients) {
  constexpr std::int64_t side = 224;
  Sequential features;
  build(features);
  features.to(DType::f64);
  features.eval();
  const Summary summary = summarize(features, {side, side, 3});
  EXPECT_EQ(summary.rows.back().receptive_field, 212);

  Tensor images = Tensor::full({1, side, side, 3}, 1, DType::f64);
  images.set_requires_grad();
  const Tensor y = features(images);
  ASSERT_EQ(y.shape(), (Shape{1, 7, 7, 2}));
  // One channel of the middle position, whose field lies inside the image.
  Tensor dy = Tensor::zeros(y.shape(), DType::f64);
  dy.mutable_data<double>()[(3 * 7 + 3) * 2] = 1;
  y.backward(dy);

  std::int64_t count = 0;
  std::int64_t top = side;
  std::int64_t bottom = -1;
  std::int64_t left = side;
  std::int64_t right = -1;
  const std::vector<double> gradient = images.grad().to_vector();
  for (std::int64_t row = 0; row < side; ++row) {
    for (std::int64_t column = 0; column < side; ++column) {
      if (gradient[static_cast<std::size_t>((row * side + column) * 3)] == 0) continue;
      ++count;
      top = std::min(top, row);
      bottom = std::max(bottom, row);
      left = std::min(left, column);
      right = std::max(right, column);
    }
  }
  EXPECT_EQ(bottom - top + 1, 212);
  EXPECT_EQ(right - left + 1, 212);
  EXPECT_EQ(count, 212 * 212) << "a box without holes";
}

}  // namespace
}  // namespace striate

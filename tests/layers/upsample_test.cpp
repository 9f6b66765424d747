#include "layers/upsample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "layers/avg_pool.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using namespace testing_support;

std::string describe(const Shape& shape, const UpsampleOptions& o) {
  const std::string to = o.size ? to_string(*o.size)
                                : std::to_string(o.scale_factor->height) + "x" + std::to_string(o.scale_factor->width);
  return to_string(shape) + " to " + to + (o.mode == UpsampleMode::nearest ? " nearest" : " bilinear") +
         (o.align_corners ? " align_corners" : "");
}

struct Case {
  Shape shape;
  UpsampleOptions options;
};

std::vector<Case> all_cases() {
  const std::vector<Extent2d> inputs = {{5, 7}, {1, 4}, {6, 1}, {3, 3}};
  const std::vector<UpsampleOptions> sizes = {{.size = 1},
                                              {.size = Extent2d(10, 14)},
                                              {.size = Extent2d(4, 9)},
                                              {.scale_factor = 2},
                                              {.scale_factor = ScaleFactor(1.5, 3)},
                                              {.scale_factor = ScaleFactor(1, 2.7)}};
  std::vector<Case> cases;
  for (const auto& row : pairwise({4, 6, 3, 3})) {
    const auto [height, width] = inputs[static_cast<std::size_t>(row[0])];
    UpsampleOptions options = sizes[static_cast<std::size_t>(row[1])];
    options.mode = row[2] == 0 ? UpsampleMode::nearest : UpsampleMode::bilinear;
    options.align_corners = row[2] == 2;
    cases.push_back(
        {{2, height, width, std::vector<std::int64_t>{1, 3, 17}[static_cast<std::size_t>(row[3])]}, options});
  }
  return cases;
}

// Where output i of an axis stands in the input.
double place_of(std::int64_t i, std::int64_t input, std::int64_t output, double factor, const UpsampleOptions& o) {
  const auto at = static_cast<double>(i), in = static_cast<double>(input), out = static_cast<double>(output);
  const double step = factor > 0 ? 1 / factor : in / out;
  double place = (at + 0.5) * step - 0.5;
  if (o.align_corners) place = out > 1 ? at * (in - 1) / (out - 1) : 0;
  if (o.mode == UpsampleMode::nearest) place = std::floor(at * step + 1e-9);
  return std::clamp(place, 0.0, in - 1);
}

// As it is meant: a pixel is the sum of all of the input under tents around its place.
std::vector<double> naive(const Tensor& x, const Shape& shape, const UpsampleOptions& o) {
  const auto tent = [](double place, std::int64_t i) {
    return std::max(0.0, 1 - std::abs(place - static_cast<double>(i)));
  };
  std::vector<double> y;
  for (std::int64_t n = 0; n < shape[0]; ++n)
    for (std::int64_t p = 0; p < shape[1]; ++p)
      for (std::int64_t q = 0; q < shape[2]; ++q)
        for (std::int64_t c = 0; c < shape[3]; ++c) {
          const double row = place_of(p, x.size(1), shape[1], o.scale_factor ? o.scale_factor->height : 0, o);
          const double column = place_of(q, x.size(2), shape[2], o.scale_factor ? o.scale_factor->width : 0, o);
          double sum = 0;
          for (std::int64_t h = 0; h < x.size(1); ++h)
            for (std::int64_t w = 0; w < x.size(2); ++w)
              sum += tent(row, h) * tent(column, w) *
                     x.data<double>()[((n * x.size(1) + h) * x.size(2) + w) * x.size(3) + c];
          y.push_back(sum);
        }
  return y;
}

TEST(Upsample, EqualsItsDefinition) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c.shape, c.options));
    const Tensor x = random_tensor(c.shape, 1);
    const Tensor y = interpolate(x, c.options);
    EXPECT_EQ(Extent2d(y.size(1), y.size(2)), c.options.size.value_or(Extent2d(y.size(1), y.size(2))));
    expect_close(y, Tensor::from(y.shape(), naive(x, y.shape(), c.options)), 1e-13, 0);
    const auto result =
        gradcheck([&](const auto& in) { return interpolate(in[0], c.options); }, {x.clone().set_requires_grad()});
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(Upsample, LowPrecisionAndThreads) {
  for (const UpsampleOptions& options :
       {UpsampleOptions{.scale_factor = 2}, UpsampleOptions{.size = Extent2d(17, 5), .mode = UpsampleMode::bilinear},
        UpsampleOptions{.scale_factor = ScaleFactor(1.5, 3), .mode = UpsampleMode::bilinear, .align_corners = true}}) {
    const Op op = [&](const std::vector<Tensor>& in) { return interpolate(in[0], options); };
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      for (const std::int64_t channels : {1, 7, 65}) {
        // A pixel reads 4 by weights that are rounded, and is read by at most 6 by 6.
        expect_within_rounding(op, {random_tensor({2, 7, 9, channels}, 1, dtype)}, {{5, 0, dtype}, {38, 0, dtype}});
      }
    }
    expect_same_bits_with_threads(op, {random_tensor({3, 33, 31, 40}, 8, DType::f32)});
  }
}

TEST(Upsample, NearestCopies) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from({1, 1, 3, 1}, std::vector<float>{inf, 1, std::nanf("")});
  const std::vector<double> y = interpolate(x, {.size = Extent2d(1, 6)}).to_vector();
  EXPECT_EQ((std::vector<double>{y[0], y[1], y[2], y[3]}), (std::vector<double>{inf, inf, 1, 1}));
  EXPECT_TRUE(std::isnan(y[4]) && std::isnan(y[5]));
}

// Doubling and then taking the mean of each four gives the image back.
TEST(Upsample, UndoneByPooling) {
  const Tensor x = random_tensor({2, 5, 6, 3}, 1);
  expect_close(avg_pool2d(interpolate(x, {.scale_factor = 2}), {.kernel_size = 2}), x, 1e-15, 0);
}

TEST(Upsample, Errors) {
  const Tensor x = Tensor::zeros({1, 4, 5, 2});
  EXPECT_EQ(message_of<ShapeError>([] {
              interpolate(Tensor::zeros({4, 5}), {.size = 2});
            }),
            "[interpolate] input must be (N,H,W,C) with H and W of at least 1: got (4,5)");
  EXPECT_EQ(message_of<ShapeError>([&] { interpolate(x, {.scale_factor = ScaleFactor(1, 0.1)}); }),
            "[interpolate] nothing is left at scale_factor 1.000000x0.100000 of input (1,4,5,2)");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { interpolate(x, {}); }),
            "[interpolate] expected either size or scale_factor, got neither");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { interpolate(x, {.size = 2, .scale_factor = 2}); }),
            "[interpolate] expected either size or scale_factor, got both");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { interpolate(x, {.size = 2, .align_corners = true}); }),
            "[interpolate] expected align_corners with bilinear alone, got nearest");
  EXPECT_THROW(interpolate(x, {.size = Extent2d(2, 0)}), std::invalid_argument);
  for (const double factor : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity(), 1e300}) {
    EXPECT_THROW(interpolate(x, {.scale_factor = factor}), std::invalid_argument) << factor;
  }
  EXPECT_THROW(interpolate(Tensor::zeros({1, 4, 5, 2}, DType::u8), {.size = 2}), std::invalid_argument);
  Module root;
  EXPECT_THROW(Upsample(root, "up", {}), std::invalid_argument);
}

TEST(Upsample, Layer) {
  Module root;
  Upsample nearest(root, "up", {.scale_factor = 2});
  Upsample bilinear(root, "down", {.size = 2, .mode = UpsampleMode::bilinear});
  const Tensor x = random_tensor({2, 4, 6, 3}, 1);
  expect_same_bits(nearest(x), interpolate(x, {.scale_factor = 2}));
  EXPECT_EQ(nearest.kind(), "Upsample");
  const LayerGeometry up = nearest.geometry({1, 4, 6, 3}, {1, 8, 12, 3});
  EXPECT_EQ((std::vector<std::int64_t>{up.kernel, up.stride, up.upscale}), (std::vector<std::int64_t>{1, 1, 2}));
  const LayerGeometry down = bilinear.geometry({1, 4, 6, 3}, {1, 2, 2, 3});
  EXPECT_EQ((std::vector<std::int64_t>{down.kernel, down.stride, down.upscale}), (std::vector<std::int64_t>{2, 3, 1}));
  EXPECT_EQ(interpolate(Tensor::zeros({0, 4, 5, 2}), {.size = 3}).shape(), (Shape{0, 3, 3, 2}));
}

}  // namespace
}  // namespace striate

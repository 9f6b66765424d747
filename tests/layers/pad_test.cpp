#include "layers/pad.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/reshape.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "tests/support/errors.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using namespace testing_support;

const std::vector<PaddingMode> kModes = {PaddingMode::zeros, PaddingMode::reflect, PaddingMode::replicate,
                                         PaddingMode::circular};

std::string describe(PaddingMode mode, const Borders& b) {
  return std::vector<std::string>{"zeros", "reflect", "replicate", "circular"}[static_cast<std::size_t>(mode)] + " " +
         std::to_string(b.top) + " " + std::to_string(b.bottom) + " " + std::to_string(b.left) + " " +
         std::to_string(b.right);
}

// What stands at place i of an endless line that continues 0 .. size-1, or -1.
std::int64_t on_endless_line(std::int64_t i, std::int64_t size, PaddingMode mode) {
  const auto modulo = [](std::int64_t a, std::int64_t b) { return (a % b + b) % b; };
  if (mode == PaddingMode::replicate) return i < 0 ? 0 : i < size ? i : size - 1;
  if (mode == PaddingMode::circular) return modulo(i, size);
  if (mode == PaddingMode::zeros) return i >= 0 && i < size ? i : -1;
  const std::int64_t period = 2 * (size - 1);
  return period == 0 ? 0 : std::min(modulo(i, period), period - modulo(i, period));
}

std::vector<double> naive(const Tensor& x, const Borders& b, PaddingMode mode) {
  std::vector<double> y;
  for (std::int64_t n = 0; n < x.size(0); ++n)
    for (std::int64_t p = -b.top; p < x.size(1) + b.bottom; ++p)
      for (std::int64_t q = -b.left; q < x.size(2) + b.right; ++q)
        for (std::int64_t c = 0; c < x.size(3); ++c) {
          const std::int64_t h = on_endless_line(p, x.size(1), mode), w = on_endless_line(q, x.size(2), mode);
          const bool inside = h >= 0 && w >= 0;
          y.push_back(inside ? x.data<double>()[((n * x.size(1) + h) * x.size(2) + w) * x.size(3) + c] : 0);
        }
  return y;
}

// For an image of 5 by 4; the most that modes can do among them.
const std::vector<Borders> kBorders = {{0, 0, 0, 0}, {1, 2, 3, 0}, {4, 4, 3, 3}, {0, 3, 1, 2}};

TEST(Pad, EqualsItsDefinition) {
  for (const PaddingMode mode : kModes) {
    for (Borders b : kBorders) {
      SCOPED_TRACE(describe(mode, b));
      const Tensor x = random_tensor({2, 5, 4, 3}, 1);
      const Tensor y = pad(x, b, mode);
      ASSERT_EQ(y.shape(), (Shape{2, 5 + b.top + b.bottom, 4 + b.left + b.right, 3}));
      expect_close(y, Tensor::from(y.shape(), naive(x, b, mode)), 0, 0);
      const auto result =
          gradcheck([&](const auto& in) { return pad(in[0], b, mode); }, {x.clone().set_requires_grad()});
      EXPECT_TRUE(result) << result.message;
    }
  }
  const Tensor whole = random_tensor({1, 3, 2, 1}, 2);
  EXPECT_EQ(pad(whole, {3, 3, 2, 2}, PaddingMode::circular).to_vector(),
            naive(whole, {3, 3, 2, 2}, PaddingMode::circular));
  EXPECT_EQ(pad(whole, {9, 7, 8, 0}, PaddingMode::replicate).to_vector(),
            naive(whole, {9, 7, 8, 0}, PaddingMode::replicate));
}

TEST(Pad, LowPrecisionAndThreads) {
  for (const PaddingMode mode : kModes) {
    const Op op = [&](const std::vector<Tensor>& in) { return pad(in[0], {2, 3, 1, 2}, mode); };
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      // A pixel of the corner stands there at most 4 by 3 times.
      expect_within_rounding(op, {random_tensor({2, 7, 5, 9}, 1, dtype)}, {{0, 0, dtype}, {12, 0, dtype}});
    }
    expect_same_bits_with_threads(op, {random_tensor({5, 33, 31, 40}, 8, DType::f32)});
  }
}

TEST(Pad, Sequences) {
  const Tensor x = random_tensor({2, 4, 1}, 1);
  const Tensor y = pad(x, {.left = 1, .right = 2}, PaddingMode::reflect);
  EXPECT_EQ(y.shape(), (Shape{2, 7, 1}));
  const std::vector<double> in = x.to_vector();
  EXPECT_EQ(slice(y, Axis::batch, 0, 1).to_vector(),
            (std::vector<double>{in[1], in[0], in[1], in[2], in[3], in[2], in[1]}));
}

TEST(Pad, Errors) {
  const Tensor x = Tensor::zeros({2, 5, 4, 3});
  EXPECT_EQ(message_of<ShapeError>([&] {
              pad(x, {1, 1, 4, 0}, PaddingMode::reflect);
            }),
            "[pad] reflected borders must be less than the image: input (2,5,4,3), top 1, bottom 1, left 4, right 0");
  EXPECT_EQ(message_of<ShapeError>([&] {
              pad(x, {0, 6, 4, 0}, PaddingMode::circular);
            }),
            "[pad] circular borders must be at most the image: input (2,5,4,3), top 0, bottom 6, left 4, right 0");
  EXPECT_EQ(message_of<ShapeError>([&] {
              pad(Tensor::zeros({2, 5, 3}), {.top = 1});
            }),
            "[pad] a sequence (N,L,C) has borders to the left and right alone: input (2,5,3), top 1, bottom 0, left 0, "
            "right 0");
  EXPECT_THROW(pad(Tensor::zeros({2, 3}), {}), ShapeError);
  EXPECT_THROW(pad(x, {.left = -1}), std::invalid_argument);
}

// A convolution with a mode is that of the padded image.
TEST(PaddingModes, PadBeforeTheConvolution) {
  const Tensor x = random_tensor({2, 7, 6, 4}, 1).set_requires_grad(), w = random_tensor({3, 2, 2, 6}, 2);
  for (const PaddingMode mode : kModes) {
    for (const Extent2d stride : {Extent2d(1), Extent2d(2, 3)}) {
      SCOPED_TRACE(describe(mode, {}) + " stride " + to_string(stride));
      const Tensor y = conv2d(
          x, w, {}, {.stride = stride, .padding = {2, 1}, .dilation = {1, 2}, .groups = 2, .padding_mode = mode});
      const Tensor by_hand =
          conv2d(pad(x, {2, 2, 1, 1}, mode), w, {}, {.stride = stride, .dilation = {1, 2}, .groups = 2});
      expect_same_bits(y, by_hand);
      const Tensor dy = random_tensor(y.shape(), 3);
      y.backward(dy);
      const Tensor dx = x.grad();
      Tensor(x).set_grad({});
      by_hand.backward(dy);
      expect_close(dx, x.grad(), 1e-14, 0);
      Tensor(x).set_grad({});
    }
  }
}

TEST(PaddingSame, KeepsTheSizeWithTheSmallerHalfInFront) {
  for (const auto& row : pairwise({5, 3, 3, 4, 2})) {
    const Extent2d kernel(row[0] + 1, row[1] + 2), dilation(row[2] + 1, 2);
    const PaddingMode mode = kModes[static_cast<std::size_t>(row[3])];
    const std::int64_t groups = row[4] + 1;
    const Tensor x = random_tensor({2, 13, 14, 4}, 1);
    const Tensor w = random_tensor({kernel.height, kernel.width, 4 / groups, 6}, 2);
    const Tensor y =
        conv2d(x, w, {}, {.padding = Padding::same(), .dilation = dilation, .groups = groups, .padding_mode = mode});
    ASSERT_EQ(y.shape(), (Shape{2, 13, 14, 6}));
    const std::int64_t tall = dilation.height * (kernel.height - 1), wide = dilation.width * (kernel.width - 1);
    const Tensor padded = pad(x, {tall / 2, tall - tall / 2, wide / 2, wide - wide / 2}, mode);
    expect_close(y, conv2d(padded, w, {}, {.dilation = dilation, .groups = groups}), 1e-14, 0);
    const auto result = gradcheck(
        [&](const auto& in) {
          return conv2d(in[0], in[1], {},
                        {.padding = Padding::same(), .dilation = dilation, .groups = groups, .padding_mode = mode});
        },
        {slice(slice(x, Axis::batch, 0, 1), Axis::width, 0, 9).set_requires_grad(), w.clone().set_requires_grad()});
    EXPECT_TRUE(result) << result.message;
  }
  const Tensor line =
      conv1d(random_tensor({1, 9, 2}, 1), random_tensor({4, 2, 3}, 2), {}, {.padding = Padding::same()});
  EXPECT_EQ(line.shape(), (Shape{1, 9, 3}));
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              conv2d(Tensor::zeros({1, 5, 5, 1}), Tensor::zeros({3, 3, 1, 1}), {},
                     {.stride = {1, 2}, .padding = Padding::same()});
            }),
            "[conv2d] expected stride 1 with padding \"same\", got 1x2");
}

// Outputs larger than with the padding in front on both sides, by the kernels that take any shape.
TEST(PaddingSame, InEveryPrecision) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const std::int64_t groups : {1, 4}) {
      for (const std::int64_t kernel : {2, 4}) {
        const Op op = [&](const std::vector<Tensor>& in) {
          return conv2d(in[0], in[1], {}, {.padding = Padding::same(), .dilation = 1, .groups = groups});
        };
        const double taps = static_cast<double>(kernel * kernel) / static_cast<double>(groups);
        const int operands = dtype == DType::f32 ? 0 : 1;
        expect_within_rounding(
            op,
            {random_tensor({2, 13, 12, 4}, 1, dtype), random_tensor({kernel, kernel, 4 / groups, 20}, 2, DType::f32)},
            {{taps * 4 + 1, operands, dtype},
             {taps * 20, operands, dtype},
             {2 * 13 * 12, 0, dtype == DType::f16 ? dtype : DType::f32}});
      }
    }
  }
}

}  // namespace
}  // namespace striate

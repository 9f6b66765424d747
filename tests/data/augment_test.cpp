#include "data/augment.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "core/random.h"
#include "data/normalize.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;

constexpr std::int64_t kHeight = 7;
constexpr std::int64_t kWidth = 9;

std::vector<std::uint8_t> test_image(std::int64_t channels) {
  std::vector<std::uint8_t> image;
  for (std::int64_t i = 0; i < kHeight * kWidth * channels; ++i)
    image.push_back(static_cast<std::uint8_t>(i * 37 + 11));
  return image;
}

const Normalization& cifar10() {
  static const Normalization values = default_normalization(3);
  return values;
}

double normalized_value(const Normalization& values, std::uint8_t byte, std::size_t channel) {
  return (byte / 255.0 - values.mean[channel]) / values.std[channel];
}

/// The definition, pixel by pixel: pad the normalised image, crop, flip, cut.
double expected(const std::vector<std::uint8_t>& image, const Normalization& values, PadMode mode,
                const Augmentation& drawn, std::int64_t y, std::int64_t x, std::size_t channel) {
  if (y >= drawn.cut_top && y < drawn.cut_bottom && x >= drawn.cut_left && x < drawn.cut_right) return 0;
  std::int64_t row = y + drawn.shift_y;
  std::int64_t column = (drawn.flipped ? kWidth - 1 - x : x) + drawn.shift_x;
  const bool outside = row < 0 || row >= kHeight || column < 0 || column >= kWidth;
  if (outside && mode == PadMode::zero) return 0;
  if (row < 0) row = -row;
  if (row >= kHeight) row = 2 * kHeight - 2 - row;
  if (column < 0) column = -column;
  if (column >= kWidth) column = 2 * kWidth - 2 - column;
  const auto pixel = static_cast<std::size_t>(row * kWidth + column);
  return normalized_value(values, image[pixel * values.mean.size() + channel], channel);
}

TEST(Normalize, GivesTheFormulaForEveryByte) {
  Tensor bytes = Tensor::empty({256, 3}, DType::u8);
  for (std::int64_t i = 0; i < 768; ++i) bytes.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i / 3);
  const Tensor f64 = normalized(bytes, cifar10(), DType::f64);
  const Tensor f32 = normalized(bytes, cifar10());
  ASSERT_EQ(f32.dtype(), DType::f32);
  for (std::size_t i = 0; i < 768; ++i) {
    const double want = normalized_value(cifar10(), static_cast<std::uint8_t>(i / 3), i % 3);
    EXPECT_DOUBLE_EQ(f64.span<double>()[i], want);
    EXPECT_FLOAT_EQ(f32.span<float>()[i], static_cast<float>(want));
  }
  const auto refused = [](const Tensor& images, const Normalization& values, DType dtype, const char* part) {
    expect_error<std::invalid_argument>([&] { normalized(images, values, dtype); }, {part});
  };
  refused(Tensor::zeros({2, 2, 1}, DType::u8), cifar10(), DType::f32, "each of 1 channels, got 3 and 3");
  refused(Tensor::zeros({3}, DType::u8), cifar10(), DType::bf16, "bf16");
  refused(Tensor::zeros({1}, DType::u8), {{0.5}, {0}}, DType::f32, "a std above 0, got 0");
  refused(Tensor::zeros({1}, DType::u8), {{NAN}, {1}}, DType::f32, "a finite mean");
  refused(Tensor::zeros({1}, DType::u8), {{0.5}, {1e-300}}, DType::f32, "with finite images");
}

TEST(Normalize, TakesAnyChannels) {
  const Tensor bytes = Tensor::from<std::uint8_t>({2, 2}, {0, 255, 51, 102});
  const Tensor out = normalized(bytes, {{0.2, 0.4}, {0.5, 2}}, DType::f64);
  const std::vector<double> want = {-0.4, 0.3, 0, 0};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(out.span<double>()[i], want[i], 1e-15);
  // MNIST's.
  EXPECT_EQ(normalized(Tensor::zeros({1}, DType::u8), {}, DType::f64).item(), -0.1307 / 0.3081);
}

class AugmentChannels : public testing::TestWithParam<std::int64_t> {};

TEST_P(AugmentChannels, MatchesItsDefinitionInEveryCombination) {
  const std::int64_t channels = GetParam();
  const ImageShape shape{kHeight, kWidth, channels};
  const std::vector<std::uint8_t> image = test_image(channels);
  Normalization values;
  for (std::int64_t c = 0; c < channels; ++c) {
    values.mean.push_back(0.3 + 0.1 * static_cast<double>(c));
    values.std.push_back(0.5 - 0.1 * static_cast<double>(c));
  }
  const Tensor table = normalize_table(values, channels, DType::f64);
  const Tensor table32 = normalize_table(values, channels, DType::f32);
  for (const PadMode mode : {PadMode::zero, PadMode::reflect}) {
    for (const std::int64_t padding : {0, 2, 4}) {
      for (const std::int64_t cutout : {0, 3, 4}) {
        const AugmentOptions options{padding, mode, FlipMode::random, cutout};
        for (std::uint64_t n = 0; n < 50; ++n) {
          const Augmentation drawn = draw_augmentation(options, kHeight, kWidth, {.seed = n});
          std::vector<double> out(image.size(), 99);
          augment_image(image.data(), shape, mode, drawn, table.data<double>(), out.data());
          std::vector<float> out32(image.size(), 99);
          augment_image(image.data(), shape, mode, drawn, table32.data<float>(), out32.data());
          for (std::size_t i = 0; i < out.size(); ++i) {
            const auto pixel = static_cast<std::int64_t>(i) / channels;
            const double want = expected(image, values, mode, drawn, pixel / kWidth, pixel % kWidth,
                                         i % static_cast<std::size_t>(channels));
            ASSERT_NEAR(out[i], want, 1e-14) << i;
            ASSERT_EQ(out32[i], static_cast<float>(out[i])) << i;
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Augment, AugmentChannels, testing::Values(1, 2, 3, 4));

TEST(Augment, DrawsEveryShiftFlipAndCentreAlike) {
  std::map<std::int64_t, int> shifts_y;
  std::map<std::int64_t, int> shifts_x;
  std::map<std::int64_t, int> tops;
  int flips = 0;
  constexpr int kDraws = 9000;
  AugmentOptions options = AugmentOptions::standard();
  options.cutout = 2;
  for (std::uint64_t n = 0; n < kDraws; ++n) {
    const Augmentation drawn = draw_augmentation(options, 32, 32, {5, 1, n});
    ++shifts_y[drawn.shift_y];
    ++shifts_x[drawn.shift_x];
    ++tops[drawn.cut_bottom];
    flips += drawn.flipped ? 1 : 0;
    ASSERT_LE(drawn.cut_bottom - drawn.cut_top, 2);
    ASSERT_GE(drawn.cut_right - drawn.cut_left, 1);
  }
  ASSERT_EQ(shifts_y.size(), 9U);
  ASSERT_EQ(shifts_x.size(), 9U);
  EXPECT_EQ(shifts_y.begin()->first, -4);
  EXPECT_EQ(shifts_x.rbegin()->first, 4);
  for (const auto& [shift, count] : shifts_y) EXPECT_NEAR(count, 1000, 160) << shift;  // 5 sigma
  for (const auto& [shift, count] : shifts_x) EXPECT_NEAR(count, 1000, 160) << shift;
  EXPECT_NEAR(flips, kDraws / 2.0, 240);
  EXPECT_EQ(tops.size(), 32U);  // 1 .. 32: of 33 places, the last is clipped to the one before
}

// DeVries and Taylor (2017): a square around a random pixel, what is outside the image cut off. Theirs has even sides;
// an odd one has its middle there.
TEST(Augment, CutoutIsASquareAroundAPixel) {
  for (const std::int64_t side : {1, 2, 7, 8, 16}) {
    for (std::uint64_t n = 0; n < 200; ++n) {
      const Augmentation drawn = draw_augmentation({.cutout = side}, 32, 24, {9, 4, n});
      const RandomStream stream = random_stream(9, RandomUse::augment, 4, n);
      const std::int64_t y = stream.below(3, 32);
      const std::int64_t x = stream.below(4, 24);
      const auto inside = [&](std::int64_t row, std::int64_t column) {
        return 2 * std::abs(row - y) < side + (row < y ? 1 : 0) &&
               2 * std::abs(column - x) < side + (column < x ? 1 : 0);
      };
      for (std::int64_t row = 0; row < 32; ++row) {
        for (std::int64_t column = 0; column < 24; ++column) {
          const bool cut =
              row >= drawn.cut_top && row < drawn.cut_bottom && column >= drawn.cut_left && column < drawn.cut_right;
          ASSERT_EQ(cut, inside(row, column)) << side << " at " << y << "," << x << ": " << row << "," << column;
        }
      }
    }
  }
}

// torchvision's RandomErasing.
TEST(Augment, ErasingIsARectangleInTheImage) {
  constexpr int kDraws = 4000;
  int erased = 0, tall = 0;
  double share = 0;
  for (std::uint64_t n = 0; n < kDraws; ++n) {
    const Augmentation drawn = draw_augmentation({.erasing = 0.5}, 100, 80, {9, 4, n});
    if (drawn.cut_bottom == 0) continue;
    ++erased;
    const auto h = static_cast<double>(drawn.cut_bottom - drawn.cut_top);
    const auto w = static_cast<double>(drawn.cut_right - drawn.cut_left);
    ASSERT_TRUE(drawn.cut_top >= 0 && drawn.cut_left >= 0 && drawn.cut_bottom <= 100 && drawn.cut_right <= 80);
    ASSERT_GE(h * w, 0.02 * 8000 - 10);
    ASSERT_LE(h * w, 0.33 * 8000 + 50);
    ASSERT_GE(h / w, 0.26);
    ASSERT_LE(h / w, 3.8);
    share += h * w / 8000;
    tall += h > w ? 1 : 0;
  }
  EXPECT_NEAR(erased, kDraws / 2.0, 5 * std::sqrt(kDraws / 4.0));
  EXPECT_NEAR(share / erased, 0.1731, 5 * 0.09 / std::sqrt(erased));
  EXPECT_NEAR(tall, erased / 2.0, 5 * std::sqrt(erased / 4.0) + 0.02 * erased);

  // No rectangle is smaller than a picture of one pixel.
  EXPECT_EQ(draw_augmentation({.erasing = 1}, 1, 1, {1, 2, 3}).cut_bottom, 0);
}

TEST(Augment, OptionsDoNotChangeEachOthersNumbers) {
  const DrawPlace place{3, 2, 7};
  const Augmentation all = draw_augmentation({.crop_padding = 4, .flip = FlipMode::random, .cutout = 8}, 32, 32, place);
  const Augmentation crop = draw_augmentation({.crop_padding = 4}, 32, 32, place);
  const Augmentation cut = draw_augmentation({.cutout = 8}, 32, 32, place);
  const Augmentation erased = draw_augmentation({.crop_padding = 4, .erasing = 1}, 32, 32, place);
  EXPECT_EQ(all.shift_y, crop.shift_y);
  EXPECT_EQ(all.shift_x, crop.shift_x);
  EXPECT_EQ(erased.shift_y, crop.shift_y);
  EXPECT_EQ(all.cut_top, cut.cut_top);
  EXPECT_EQ(all.cut_left, cut.cut_left);
  EXPECT_EQ(crop.cut_bottom, 0);
  EXPECT_FALSE(crop.flipped || cut.flipped);
}

TEST(Augment, AlternatingFlipTurnsEveryImageEverySecondEpoch) {
  constexpr std::uint64_t kImages = 4000;
  const AugmentOptions options{.flip = FlipMode::alternating};
  const auto flipped = [&](std::uint64_t seed, std::uint64_t epoch, std::uint64_t image) {
    return draw_augmentation(options, 32, 32, {seed, epoch, image}).flipped;
  };
  std::array<int, 6> flips{};
  int same = 0;
  for (std::uint64_t image = 0; image < kImages; ++image) {
    for (std::uint64_t epoch = 0; epoch < 6; ++epoch) {
      ASSERT_EQ(flipped(1, epoch, image), flipped(1, 0, image) != (epoch % 2 == 1));
      flips[epoch] += flipped(1, epoch, image) ? 1 : 0;
    }
    same += flipped(1, 0, image) == flipped(2, 0, image) ? 1 : 0;
  }
  const double five_sigma = 5 * std::sqrt(kImages / 4.0);
  for (const int count : flips) EXPECT_NEAR(count, kImages / 2.0, five_sigma);
  EXPECT_NEAR(same, kImages / 2.0, five_sigma);  // another seed flips others
}

TEST(Augment, RefusesBadOptions) {
  expect_error<std::invalid_argument>([] { check_augment({.crop_padding = -1}, 32, 32); }, {"crop padding", "-1"});
  expect_error<std::invalid_argument>([] { check_augment({.crop_padding = std::int64_t{1} << 62}, 32, 32); },
                                      {"crop padding of 0 .. 65535"});
  expect_error<std::invalid_argument>([] { check_augment({.cutout = -2}, 32, 32); }, {"cutout", "-2"});
  expect_error<std::invalid_argument>([] { check_augment({.cutout = 64}, 16, 32); }, {"cutout", "less than 64"});
  check_augment({.cutout = 63}, 16, 32);
  expect_error<std::invalid_argument>([] { check_augment({.erasing = 1.5}, 32, 32); }, {"erasing of 0 .. 1", "1.5"});
  expect_error<std::invalid_argument>([] { check_augment({.cutout = 8, .erasing = 0.5}, 32, 32); }, {"not both"});
  expect_error<std::invalid_argument>(
      [] {
        check_augment({.erasing = 0.5, .erasing_range = {0.3, 0.2, 1, 1}}, 32, 32);
      },
      {"[augment]", "scales of 0 .. 1"});
  const AugmentOptions wide{.crop_padding = 4, .pad_mode = PadMode::reflect};
  expect_error<std::invalid_argument>([&] { check_augment(wide, 32, 4); }, {"padding 4", "32x4"});
  EXPECT_NO_THROW(check_augment(wide, 5, 5));
  EXPECT_NO_THROW(check_augment({.crop_padding = 4}, 2, 2));
}

}  // namespace
}  // namespace striate

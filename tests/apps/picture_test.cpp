// Pictures from numbers and from one another (apps/report/picture.h), and of nets.
#include "apps/report/picture.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "apps/report/net_pictures.h"
#include "data/image.h"
#include "models/registry.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate::cli {
namespace {

using testing_support::expect_error;

Colour at(const Tensor& picture, std::int64_t y, std::int64_t x) {
  const std::uint8_t* pixel = picture.data<std::uint8_t>() + 3 * (y * picture.size(1) + x);
  return {pixel[0], pixel[1], pixel[2]};
}

std::int64_t count_of(const Tensor& picture, Colour colour) {
  std::int64_t count = 0;
  for (std::int64_t y = 0; y < picture.size(0); ++y)
    for (std::int64_t x = 0; x < picture.size(1); ++x) count += at(picture, y, x) == colour ? 1 : 0;
  return count;
}

TEST(Picture, WhatLiesOutsideTheCanvasIsLeftOut) {
  Canvas canvas(4, 5);
  canvas.fill(-2, -2, 3, 3, kBlack);
  EXPECT_EQ(count_of(canvas.picture(), kBlack), 1);
  canvas.fill(3, 4, 9, 9, kBlack);
  EXPECT_EQ(count_of(canvas.picture(), kBlack), 2);
  canvas.paste(2, 2, Tensor::full({9, 9, 1}, 7, DType::u8));
  EXPECT_EQ(at(canvas.picture(), 3, 4), (Colour{7, 7, 7}));
  canvas.square(-100, -100, 300, kBlack);
  EXPECT_EQ(count_of(canvas.picture(), kBlack), 1);
}

TEST(Picture, SquaresAndDashes) {
  Canvas canvas(10, 10);
  canvas.square(1, 1, 8, kBlack);
  EXPECT_EQ(count_of(canvas.picture(), kBlack), 8 * 8 - 4 * 4);
  Canvas dashed(20, 20);
  dashed.square(1, 1, 16, kBlack, 3);
  EXPECT_EQ(at(dashed.picture(), 1, 3), kBlack);
  EXPECT_EQ(at(dashed.picture(), 1, 4), kWhite);
  EXPECT_EQ(at(dashed.picture(), 1, 7), kBlack);
  EXPECT_EQ(at(dashed.picture(), 15, 7), kBlack);
  EXPECT_EQ(at(dashed.picture(), 7, 16), kBlack);
}

TEST(Picture, TextIsDrawnWithinItsWidth) {
  const std::string text = "conv1_1 \xc3\xa4\n";  // what is no ASCII is "?"
  Canvas canvas(kLineHeight, 200);
  canvas.write(0, 0, text);
  const std::int64_t black = count_of(canvas.picture(), kBlack);
  EXPECT_GT(black, 40);
  Canvas narrow(kLineHeight, width_of(text));
  narrow.write(0, 0, text);
  EXPECT_EQ(count_of(narrow.picture(), kBlack), black);
  EXPECT_EQ(width_of(""), 0);
}

TEST(Picture, GridsAlign) {
  const Tensor black = Tensor::zeros({2, 3, 3}, DType::u8);
  const Tensor grid = in_grid({{black}, {black}, {black, {"wider than three pixels"}}}, 2, 4);
  const std::int64_t cell = width_of("wider than three pixels");
  EXPECT_EQ(grid.shape(), (Shape{2 + 4 + 2 + kLineHeight, 2 * cell + 4, 3}));
  EXPECT_EQ(at(grid, 0, cell + 4), kBlack);
  EXPECT_EQ(at(grid, 6, 2), kBlack);
  EXPECT_EQ(at(grid, 3, 0), kWhite);
  EXPECT_EQ(in_grid({}, 3).numel(), 3);
}

TEST(Picture, HeatGrowsBrighter) {
  Tensor values = Tensor::empty({1, 101}, DType::f64);
  for (std::int64_t i = 0; i <= 100; ++i) values.mutable_data<double>()[i] = static_cast<double>(i);
  const Tensor heat = heat_picture(values, 100);
  const auto brightness = [&](std::int64_t i) {
    const Colour c = at(heat, 0, i);
    return luma(c[0], c[1], c[2]);
  };
  for (std::int64_t i = 4; i <= 100; ++i) EXPECT_GT(brightness(i), brightness(i - 4)) << i;
  EXPECT_LT(brightness(0), 40);
  EXPECT_GT(brightness(100), 220);
  EXPECT_EQ(at(heat_picture(values, 60), 0, 90), at(heat, 0, 100));
  EXPECT_EQ(count_of(heat_picture(values, 0), at(heat, 0, 0)), 101) << "no range";
}

TEST(Picture, WhatIsNoNumberIsDark) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Tensor values = Tensor::from(Shape{1, 4}, std::vector<double>{nan, inf, -inf, 1});
  const Tensor heat = heat_picture(values, 1);
  EXPECT_EQ(at(heat, 0, 0), at(heat, 0, 2));
  EXPECT_EQ(at(heat, 0, 1), at(heat, 0, 3));
  EXPECT_EQ(grey_picture(values).numel(), 4);
  EXPECT_EQ(heat_panels(Tensor::zeros({1, 4, 3}, DType::u8), values).shape(), (Shape{64, 3 * 256 + 2 * 4, 3}));
}

TEST(Picture, GreySizesAndWaveforms) {
  const Tensor grey = grey_picture(Tensor::from(Shape{1, 3}, std::vector<double>{-2, 0, 2}));
  EXPECT_EQ(grey.to_vector(), (std::vector<double>{0, 128, 255}));
  EXPECT_EQ(grey_picture(Tensor::full({2, 2}, 5)).to_vector(), std::vector<double>(4, 0));
  EXPECT_EQ(at(sized(grey, 7), 1, 3), (Colour{128, 128, 128}));
  EXPECT_EQ(sized(grey, 7).shape(), (Shape{2, 6, 3}));
  EXPECT_EQ(sized(Tensor::zeros({300, 100, 1}, DType::u8), 60).shape(), (Shape{60, 20, 3}));
  EXPECT_EQ(stretched(Tensor::from(Shape{1, 2}, std::vector<double>{0, 1}), 1, 4).to_vector(),
            (std::vector<double>{0, 0.25, 0.75, 1}));
  Tensor wave = Tensor::zeros({1, 1, 8, 1});
  wave.mutable_data<float>()[5] = 1;
  const Tensor drawn = waveform_picture(wave, 1, 5, 4);
  EXPECT_EQ(at(drawn, 2, 0), at(drawn, 0, 2));
  EXPECT_NE(at(drawn, 0, 0), at(drawn, 0, 2));
  EXPECT_NE(at(drawn, 4, 2), at(drawn, 0, 2));
}

TEST(NetPictures, FiltersInColourOrGrey) {
  const Captioned colours = filters_picture(*make_model("vgg11:width_multiplier=0.0625"));
  EXPECT_NE(colours.caption[0].find("4 of 4 filters of 3x3"), std::string::npos) << colours.caption[0];
  EXPECT_EQ(colours.picture.shape(), (Shape{39, 4 * 39 + 3 * 2, 3}));
  const auto grey = make_model("lenet", {.in_channels = 1, .height = 28, .width = 28});
  EXPECT_NE(filters_picture(*grey).caption[0].find("6 of 6 filters of 5x5, 1 of 1 channels"), std::string::npos);
  const auto many = make_model("vgg11:width_multiplier=0.0625", {.in_channels = 20});
  EXPECT_NE(filters_picture(*many).caption[0].find("16 of 20 channels"), std::string::npos);
  struct Nothing : Layer {
    Tensor forward(const Tensor& x) override { return x; }
  } nothing;
  expect_error<std::invalid_argument>([&] { filters_picture(nothing); }, {"no 2-d convolution"});
}

}  // namespace
}  // namespace striate::cli

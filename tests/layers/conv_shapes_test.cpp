// Convolutions of any shape: products, gathered products and depthwise.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/conv_bounds.h"
#include "tests/support/conv_run.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

// 1x1 in place, gathered and strided.
std::vector<ConvGeometry> products() {
  return {conv_geometry(1, 1, 1, 1, 1),
          conv_geometry(3, {5, 7}, 16, 1, 40),
          conv_geometry(2, {9, 13}, 17, 1, 33),
          conv_geometry(5, 17, 34, 1, 130),
          conv_geometry(1, 7, 600, 1, 70),
          conv_geometry(2, {9, 8}, 12, 1, 20, 2),
          conv_geometry(3, {10, 7}, 33, 1, 17, {2, 3}),
          conv_geometry(9, 15, 40, 1, 600, 2)};
}

// Other kernels, strides that leave input out, taps that meet nothing, groups in and out of panels.
std::vector<ConvGeometry> gathered() {
  std::vector<ConvGeometry> all = {
      conv_geometry(2, {23, 21}, 3, 7, 20, 2, 3),  conv_geometry(3, {9, 10}, 17, 3, 33, 2, 1),
      conv_geometry(1, 8, 70, 3, 100, 2, 1),       conv_geometry(2, {7, 9}, 5, {1, 5}, 9, {1, 3}, {0, 2}),
      conv_geometry(2, 12, 6, 3, 10, 4, 1),        conv_geometry(1, {11, 13}, 4, 2, 7, {3, 2}, {0, 1}, {2, 3}),
      conv_geometry(2, 9, 130, 3, 8, 1, 2, 2),     conv_geometry(2, 5, 8, 3, 8, 1, 4),
      conv_geometry(12, 10, 64, 5, 34, 1, 2),      conv_geometry(2, 8, 12, 3, 20, 1, 1, 1, 4),
      conv_geometry(2, 8, 10, 3, 30, 2, 1, 1, 5),  conv_geometry(3, 6, 128, 3, 128, 1, 1, 1, 32),
      conv_geometry(2, 6, 120, 1, 72, 2, 0, 1, 3), conv_geometry(2, 6, 68, 3, 70, 1, 1, 1, 2),
  };
  for (const ConvGeometry& g : products()) all.push_back(g);
  return all;
}

std::vector<ConvGeometry> depthwise() {
  return {conv_geometry(2, {9, 7}, 1, 3, 1, 1, 1),
          conv_geometry(2, {9, 7}, 17, 3, 17, 1, 1, 1, 17),
          conv_geometry(3, 12, 100, 3, 100, 2, 1, 1, 100),
          conv_geometry(40, {5, 6}, 64, 3, 64, 1, 1, 1, 64),
          conv_geometry(1, {14, 11}, 80, {5, 4}, 80, {1, 3}, {2, 5}, {1, 2}, 80),
          conv_geometry(2, 10, 130, 7, 130, 4, 3, 1, 130),
          conv_geometry(2, 7, 16, 3, 48, 1, 1, 1, 16),
          conv_geometry(3, {8, 9}, 5, 2, 10, 3, 0, 1, 5),
          conv_geometry(2, 3, 20, 3, 20, 1, 5, 1, 20)};
}

std::vector<ConvGeometry> all_shapes() {
  std::vector<ConvGeometry> all = gathered();
  for (const ConvGeometry& g : depthwise()) all.push_back(g);
  return all;
}

TEST(ConvShapes, StayWithinTheErrorOfTheirArithmetic) {
  for (const ConvGeometry& g : all_shapes()) expect_like_reference(g);
}

TEST(ConvShapes, ThreadsDoNotMatter) {
  for (const ConvGeometry& g : all_shapes()) {
    for (const ConvAlgorithm* algorithm : fitting(g)) {
      expect_same_bits_for_threads<float>(g, *algorithm);
      expect_same_bits_for_threads<bfloat16>(g, *algorithm);
      expect_same_bits_for_threads<float16>(g, *algorithm);
    }
  }
}

TEST(ConvShapes, NoChannels) {
  for (const std::int64_t kernel : {1, 3}) {
    const ConvGeometry g = conv_geometry(2, 4, 0, kernel, 5, 1, kernel / 2);
    const ConvOperands<float> operands(g);
    const ConvResults<float> got = run_conv(g, operands, nullptr);
    for (std::size_t i = 0; i < got.y.size(); ++i) ASSERT_EQ(got.y[i], operands.bias[i % 5]);
  }
}

TEST(ConvShapes, ChosenByShape) {
  const auto chosen = [](const ConvGeometry& g, DType dtype) { return std::string(choose_conv(g, dtype).name); };
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const ConvGeometry& g : products()) EXPECT_EQ(chosen(g, dtype), "product");
    EXPECT_EQ(chosen(depthwise()[2], dtype), "depthwise");
    EXPECT_EQ(chosen(depthwise()[6], dtype), "depthwise");
    EXPECT_EQ(chosen(gathered()[0], dtype), "im2col");
    EXPECT_EQ(chosen(gathered()[11], dtype), "im2col");
  }
  EXPECT_EQ(chosen(products()[1], DType::f64), "reference");
}

// VGG16 on 32x32 images.
TEST(ConvShapes, ChosenForVgg16) {
  struct Layer {
    std::int64_t map, channels, filters;
    std::string f32, bf16;
  };
  const std::vector<Layer> layers = {
      {32, 3, 64, "direct", "direct"},
      {32, 64, 64, "winograd_f4", "winograd_f2"},
      {16, 64, 128, "winograd_f4", "winograd_f2"},
      {16, 128, 128, "winograd_f4", "winograd_f2"},
      {8, 128, 256, "winograd_f4", "winograd_f2"},
      {8, 256, 256, "winograd_f4", "winograd_f2"},
      {4, 256, 512, "winograd_line4", "winograd_f2"},
      {4, 512, 512, "winograd_line4", "winograd_f2"},
      {2, 512, 512, "winograd_line2", "winograd_line2"},
  };
  for (const Layer& layer : layers) {
    for (const std::int64_t batch : {32, 128}) {
      const ConvGeometry g = conv_geometry(batch, layer.map, layer.channels, 3, layer.filters, 1, 1);
      SCOPED_TRACE(describe(g));
      for (const ConvDirection direction :
           {ConvDirection::forward, ConvDirection::backward_data, ConvDirection::backward_weights}) {
        // Nobody asks for the gradient of the images.
        if (layer.channels == 3 && direction == ConvDirection::backward_data) continue;
        EXPECT_EQ(choose_conv(g, DType::f32, direction).name, layer.f32);
        EXPECT_EQ(choose_conv(g, DType::bf16, direction).name, layer.bf16);
        EXPECT_EQ(choose_conv(g, DType::f16, direction).name, layer.f32);
      }
    }
  }
  // One image does not pay for transforming the filters of the last layers.
  for (const std::int64_t map : {4, 2}) {
    const ConvGeometry g = conv_geometry(1, map, 512, 3, 512, 1, 1);
    EXPECT_STREQ(choose_conv(g, DType::f32).name, "im2col");
    EXPECT_STREQ(choose_conv(g, DType::bf16).name, "im2col");
  }
}

}  // namespace
}  // namespace striate

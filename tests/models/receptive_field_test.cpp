#include "models/receptive_field.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/conv2d.h"
#include "layers/sequential.h"
#include "models/registry.h"
#include "models/vgg.h"
#include "tests/support/errors.h"
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
  Sequential features;
  build(features);
  features.to(DType::f64);
  const auto fields = receptive_fields(features, Tensor::full({1, 224, 224, 3}, 1, DType::f64));
  ASSERT_EQ(fields.size(), 18U);
  for (const ReceptiveField& field : fields) {
    SCOPED_TRACE(field.path);
    EXPECT_EQ(field.measure.measured, field.receptive_field);
    EXPECT_LE(field.measure.effective, field.receptive_field);
  }
  const ReceptiveField& last = fields.back();
  EXPECT_EQ(last.receptive_field, 212);
  EXPECT_LT(last.measure.effective, 180);
  // The unit is that of (3,3) of 7x7, whose field lies inside the image, and it is a box without holes.
  EXPECT_EQ(last.measure.row, 3.5 * 32);
  const std::vector<double> values = last.gradient.to_vector();
  EXPECT_EQ(std::count_if(values.begin(), values.end(), [](double value) { return value > 0; }), 212 * 212);
}

// Algorithms that reach zero by rounding, as Winograd's, would see further.
TEST(ReceptiveField, InSinglePrecisionNothingOutsideTheFieldCounts) {
  const auto net = make_model("vgg11:width_multiplier=0.25");
  const auto fields = receptive_fields(*net, testing_support::random_tensor({2, 64, 64, 3}, 5, DType::f32));
  ASSERT_EQ(fields.size(), 14U) << "all but the linear layer";
  for (const ReceptiveField& field : fields) {
    EXPECT_LE(field.measure.measured, field.receptive_field) << field.path;
    if (field.receptive_field < 40) {
      EXPECT_EQ(field.measure.measured, field.receptive_field) << field.path;
    }
  }
  EXPECT_TRUE(net->training());
  EXPECT_EQ(fields[8].name, "conv4_2");
}

TEST(ReceptiveField, AConvolutionOfEqualWeightsSeesItsSquareEvenly) {
  Sequential net;
  auto& conv = net.add<Conv2d>(1, 1, Conv2dOptions{.kernel_size = 5, .padding = 2, .bias = false});
  conv.weight.copy_from(Tensor::full(conv.weight.shape(), 1));
  const auto fields = receptive_fields(net, Tensor::full({3, 9, 11, 1}, 1));
  ASSERT_EQ(fields.size(), 1U);
  const FieldMeasure& measure = fields[0].measure;
  EXPECT_EQ(measure.measured, 5);
  EXPECT_EQ(measure.effective, 5) << "a square of side 3 holds 9 of 25";
  EXPECT_EQ(measure.row, 4.5);
  EXPECT_EQ(measure.column, 5.5);
  EXPECT_EQ(fields[0].gradient.to_vector()[4 * 11 + 5], 3) << "of three images";
}

TEST(ReceptiveField, TheEffectiveSquareHolds95Percent) {
  ReceptiveField field;
  field.gradient = Tensor::zeros({6, 7}, DType::f64);
  auto* values = field.gradient.mutable_data<double>();
  EXPECT_EQ(measure_field(field).measured, 0);
  EXPECT_EQ(measure_field(field).effective, 0);
  values[1 * 7 + 1] = 0.025;
  values[5 * 7 + 5] = 0.025;
  values[3 * 7 + 3] = 0.95;
  FieldMeasure measure = measure_field(field);
  EXPECT_EQ(measure.measured, 5);
  EXPECT_EQ(measure.effective, 1);
  EXPECT_EQ(measure.row, 3.5);
  values[3 * 7 + 3] = 0.9;
  EXPECT_EQ(measure_field(field).effective, 5);
  values[2 * 7 + 3] = 0.3;
  EXPECT_EQ(measure_field(field).effective, 3);
  // A box of even sides has its middle between pixels, and so have its squares.
  values[0] = 0.001;
  measure = measure_field(field);
  EXPECT_EQ(measure.row, 3);
  EXPECT_EQ(measure.effective, 2);
}

TEST(ReceptiveField, AFieldThatTheBorderCutsKeepsItsMiddle) {
  ReceptiveField field;
  field.height = 2;
  field.jump = 4;
  field.receptive_field = 7;
  const auto with_rows = [&](std::int64_t begin, std::int64_t end) {
    field.gradient = Tensor::zeros({8, 1}, DType::f64);
    std::fill(field.gradient.mutable_data<double>() + begin, field.gradient.mutable_data<double>() + end, 1.0);
    return measure_field(field);
  };
  EXPECT_EQ(with_rows(1, 8).row, 4.5) << "it touches the border and is whole";
  EXPECT_EQ(with_rows(2, 6).row, 4) << "closed paths, far from the border";
  EXPECT_EQ(with_rows(3, 8).row, 6.5);
  EXPECT_EQ(with_rows(0, 5).row, 1.5);
  EXPECT_EQ(with_rows(3, 8).measured, 5);
  EXPECT_EQ(with_rows(3, 8).effective, 7) << "it reaches over the border";
  field.receptive_field = 11;
  EXPECT_EQ(with_rows(0, 8).row, 6) << "the second of two places";
}

TEST(ReceptiveField, OfALayerThatThereIsNot) {
  Sequential net;
  net.add<Conv2d>(3, 1, Conv2dOptions{.kernel_size = 1});
  testing_support::expect_error<std::invalid_argument>(
      [&] {
        receptive_fields(net, Tensor::zeros({1, 8, 8, 3}), {"1"});
      },
      {"a layer of 0, got 1"});
}

TEST(ReceptiveField, ImagesThatAreNoneAreRefused) {
  Sequential net;
  net.add<ReLU>();
  testing_support::expect_error<ShapeError>([&] { receptive_fields(net, Tensor::zeros({8, 8, 3})); }, {"(8,8,3)"});
}

}  // namespace
}  // namespace striate

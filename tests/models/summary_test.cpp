// The summary against tables from the papers, and its rules for branches, containers and shared layers.

#include "models/summary.h"

#include <gtest/gtest.h>

#include <tuple>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/reduce.h"
#include "core/reshape.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/group_norm.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "layers/pool1d.h"
#include "layers/sequential.h"
#include "layers/upsample.h"
#include "models/resnet.h"
#include "models/vgg.h"

namespace striate {
namespace {

// name, n, j, RF
using Geometry = std::tuple<std::string, std::int64_t, double, std::int64_t>;

std::vector<Geometry> geometry_of(const Summary& summary) {
  std::vector<Geometry> rows;
  for (const SummaryRow& row : summary.rows) {
    EXPECT_EQ(row.height, row.width) << row.name;
    rows.emplace_back(row.name, row.height, row.jump, row.receptive_field);
  }
  return rows;
}

// VGG16's receptive fields on 32x32 images, as derived by hand from the formulas in models/summary.h.
const std::vector<Geometry> vgg16_table = {
    {"input", 32, 1, 1},     {"conv1_1", 32, 1, 3},   {"conv1_2", 32, 1, 5},   {"maxpool", 16, 2, 6},
    {"conv2_1", 16, 2, 10},  {"conv2_2", 16, 2, 14},  {"maxpool", 8, 4, 16},   {"conv3_1", 8, 4, 24},
    {"conv3_2", 8, 4, 32},   {"conv3_3", 8, 4, 40},   {"maxpool", 4, 8, 44},   {"conv4_1", 4, 8, 60},
    {"conv4_2", 4, 8, 76},   {"conv4_3", 4, 8, 92},   {"maxpool", 2, 16, 100}, {"conv5_1", 2, 16, 132},
    {"conv5_2", 2, 16, 164}, {"conv5_3", 2, 16, 196}, {"maxpool", 1, 32, 212}, {"adaptivepool", 1, 32, 212},
    {"linear", 1, 32, 212},
};

TEST(Summary, Vgg16IsTheTableOfTheNotes) {
  Vgg model;
  const Summary summary = summarize(model, {32, 32, 3});
  EXPECT_EQ(geometry_of(summary), vgg16_table);
  EXPECT_EQ(summary.parameters, 14'724'042);

  std::int64_t parameters = 0;
  for (const SummaryRow& row : summary.rows) parameters += row.parameters;
  EXPECT_EQ(parameters, summary.parameters) << "rows and total";
  // Convolutions at 9 * C * K * n * n, and the linear layer.
  EXPECT_EQ(summary.multiply_adds, 313'196'544.0 + 5'120.0);

  const SummaryRow& conv1_2 = summary.rows[2];
  EXPECT_EQ(conv1_2.path, "features.3");
  EXPECT_EQ(conv1_2.channels, 64);
  EXPECT_EQ(conv1_2.parameters, 9 * 64 * 64 + 2 * 64);
  EXPECT_EQ(conv1_2.multiply_adds, 9.0 * 64 * 64 * 32 * 32);
  EXPECT_EQ(conv1_2.activation_bytes, 32 * 32 * 64 * 4);
  EXPECT_EQ(conv1_2.dense_parameters, 65536.0 * 65536.0 + 65536.0);
  EXPECT_EQ(summary.rows.back().path, "classifier");
  EXPECT_EQ(summary.rows.back().channels, 10);
}

TEST(Summary, BatchNormAndDropoutAddNoRows) {
  Vgg plain({.batch_norm = false, .width_multiplier = 0.1, .dropout = 0.5});
  EXPECT_EQ(geometry_of(summarize(plain, {32, 32, 3})), vgg16_table);
}

struct Net : Layer {
  Sequential body{*this, "body"};
  Tensor forward(const Tensor& x) override { return body(x); }
};

TEST(Summary, FiveByFiveOn224AsInTheNotes) {
  for (const auto& [padding, n] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 220}, {2, 224}}) {
    Net net;
    net.body.add<Conv2d>(3, 64, Conv2dOptions{.kernel_size = 5, .padding = padding});
    const Summary summary = summarize(net, {224, 224, 3});
    EXPECT_EQ(geometry_of(summary), (std::vector<Geometry>{{"input", 224, 1, 1}, {"conv1_1", n, 1, 5}}));
    EXPECT_EQ(summary.parameters, 4'864);
    const auto outputs = static_cast<double>(n * n * 64);
    EXPECT_EQ(summary.rows[1].dense_parameters, 224.0 * 224 * 3 * outputs + outputs);
    EXPECT_EQ(summary.rows[1].multiply_adds, 75 * outputs);
  }
}

TEST(Summary, DilationCountsAndSizesAreFloored) {
  Net net;
  net.body.add<Conv2d>(3, 4, Conv2dOptions{.kernel_size = 3, .stride = 2, .padding = 2, .dilation = 2});
  net.body.add<Conv2d>(4, 4, Conv2dOptions{.kernel_size = 3, .padding = 3, .dilation = 3});
  net.body.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 2});
  // (32 + 4 - 5) / 2 + 1 = 16.5, floored.
  EXPECT_EQ(geometry_of(summarize(net, {32, 32, 3})),
            (std::vector<Geometry>{
                {"input", 32, 1, 1}, {"conv1_1", 16, 2, 5}, {"conv1_2", 16, 2, 17}, {"maxpool", 8, 4, 19}}));
}

// Down, up, beyond the pixels, and on at half a pixel; as traced by hand: of a 4x4 kernel with stride 2 an output reads
// two neighbours.
TEST(Summary, UpsamplingHalvesTheJump) {
  Net net;
  net.body.add<Conv2d>(3, 4, Conv2dOptions{.kernel_size = 3, .stride = 2, .padding = 1});
  net.body.add<GroupNorm>(2, 4);
  net.body.add<Upsample>(UpsampleOptions{.scale_factor = 2});
  net.body.add<Conv2d>(4, 2, Conv2dOptions{.kernel_size = 3, .padding = 1});
  net.body.add<Upsample>(UpsampleOptions{.size = 24, .mode = UpsampleMode::bilinear});
  const Summary summary = summarize(net, {8, 8, 3});
  EXPECT_EQ(geometry_of(summary), (std::vector<Geometry>{{"input", 8, 1, 1},
                                                         {"conv1_1", 4, 2, 3},
                                                         {"upsample", 8, 1, 3},
                                                         {"conv2_1", 8, 1, 5},
                                                         {"upsample", 24, 1.0 / 3, 6}}));
  EXPECT_EQ(summary.rows[1].parameters, 27 * 4 + 4 + 8);
}

TEST(Summary, TransposedConvolutionsHalveTheJump) {
  Net net;
  const ConvTranspose2dOptions twice{.kernel_size = 4, .stride = 2, .padding = 1};
  net.body.add<Conv2d>(3, 4, Conv2dOptions{.kernel_size = 3, .stride = 2, .padding = 1});
  net.body.add<ConvTranspose2d>(4, 4, twice);
  net.body.add<Conv2d>(4, 4, Conv2dOptions{.kernel_size = 3, .padding = 1});
  net.body.add<ConvTranspose2d>(4, 4, twice);
  net.body.add<Conv2d>(4, 2, Conv2dOptions{.kernel_size = 3, .padding = 1});
  const Summary summary = summarize(net, {8, 8, 3});
  EXPECT_EQ(geometry_of(summary), (std::vector<Geometry>{{"input", 8, 1, 1},
                                                         {"conv1_1", 4, 2, 3},
                                                         {"convtranspose", 8, 1, 5},
                                                         {"conv2_1", 8, 1, 7},
                                                         {"convtranspose", 16, 0.5, 8},
                                                         {"conv3_1", 16, 0.5, 9}}));
  EXPECT_EQ(summary.rows[2].multiply_adds, 4 * 4 * 4 * 4 * 4 * 4);  // every input by every weight of its channel
  EXPECT_NE(format_summary(summary).find(" 0.5 "), std::string::npos);
}

struct Sound : Layer {
  Conv1d conv{*this, "conv", 1, 4, {.kernel_size = 9, .stride = 4}};
  BatchNorm1d norm{*this, "norm", 4};
  MaxPool1d pool{*this, "pool", {.kernel_size = 2}};
  Linear fc{*this, "fc", 4, 2};
  Tensor forward(const Tensor& x) override {
    const Tensor line = reshape(x, {x.size(0), x.size(2), x.size(3)});
    return fc(mean(pool(relu(norm(conv(line)))), {Axis::width}));
  }
};

TEST(Summary, Sequences) {
  Sound model;
  const Summary summary = summarize(model, {1, 41, 1});
  std::vector<std::tuple<std::string, std::int64_t, std::int64_t, double, std::int64_t>> rows;
  for (const SummaryRow& row : summary.rows)
    rows.emplace_back(row.name, row.height, row.width, row.jump, row.receptive_field);
  EXPECT_EQ(rows,
            (std::vector<std::tuple<std::string, std::int64_t, std::int64_t, double, std::int64_t>>{
                {"input", 1, 41, 1, 1}, {"conv1_1", 1, 9, 4, 9}, {"maxpool", 1, 4, 8, 13}, {"linear", 1, 1, 8, 37}}));
  EXPECT_EQ(summary.rows[1].multiply_adds, 9 * 4 * 9);
  EXPECT_EQ(summary.rows[1].parameters, 9 * 4 + 4 + 2 * 4);
}

TEST(Summary, RectangularInputs) {
  Vgg model({.depth = 11, .width_multiplier = 0.1});
  const Summary summary = summarize(model, {32, 96, 3});
  EXPECT_EQ(summary.rows[1].height, 32);
  EXPECT_EQ(summary.rows[1].width, 96);
  EXPECT_EQ(summary.rows[1].activation_bytes, 32 * 96 * 6 * 4);
  EXPECT_NE(format_summary(summary).find("32x96"), std::string::npos);
  EXPECT_NE(format_summary(summary).find("1x3"), std::string::npos);
}

TEST(Summary, FlattenedFeaturesSeeWhatAllPositionsSaw) {
  Net net;
  net.body.add<Conv2d>(3, 4, Conv2dOptions{.kernel_size = 3, .padding = 1});
  net.body.add<MaxPool2d>(MaxPool2dOptions{.kernel_size = 2});
  net.body.add<Flatten>();
  net.body.add<Linear>(4 * 4 * 4, 10);
  const Summary summary = summarize(net, {8, 8, 3});
  EXPECT_EQ(
      geometry_of(summary),
      (std::vector<Geometry>{{"input", 8, 1, 1}, {"conv1_1", 8, 1, 3}, {"maxpool", 4, 2, 4}, {"linear", 1, 2, 10}}));
}

// Paths of different length meet in an addition and a concatenation; ops that are no layers stand between.
struct Branches : Layer {
  Conv2d stem{*this, "stem", 3, 4, {.kernel_size = 3, .padding = 1}};
  Conv2d a{*this, "a", 4, 4, {.kernel_size = 3, .padding = 1}};
  BatchNorm2d a_norm{*this, "a_norm", 4};
  Conv2d b{*this, "b", 4, 4, {.kernel_size = 3, .padding = 1}};
  Conv2d side{*this, "side", 4, 4, {.kernel_size = 5, .padding = 4, .dilation = 2}};
  Conv2d skip{*this, "skip", 4, 4, {}};
  Conv2d join{*this, "join", 8, 4, {.kernel_size = 3, .padding = 1}};
  Linear head{*this, "head", 4, 2};

  Tensor forward(const Tensor& x) override {
    const Tensor h = relu(stem(x));                     // 3
    const Tensor s = side(h);                           // 11
    const Tensor residual = h + b(relu(a_norm(a(h))));  // 7
    const Tensor both = concat({skip(residual), s}, Axis::channels);
    return head(mean(relu(join(both)), {Axis::height, Axis::width}));
  }
};

TEST(Summary, BranchesKeepTheirOwnFigures) {
  Branches model;
  const Summary summary = summarize(model, {8, 8, 3});
  std::vector<std::pair<std::string, std::int64_t>> fields;
  for (const SummaryRow& row : summary.rows) fields.emplace_back(row.path, row.receptive_field);
  const std::vector<std::pair<std::string, std::int64_t>> expected = {
      {"", 1}, {"stem", 3}, {"side", 11}, {"a", 5}, {"b", 7}, {"skip", 7}, {"join", 13}, {"head", 20}};
  EXPECT_EQ(fields, expected);
  EXPECT_EQ(summary.rows[3].parameters, 9 * 4 * 4 + 4 + 8) << "the norm belongs to a, not to what ran before";
}

// A shortcut sees less than the path beside it; where they meet, the larger receptive field continues.
TEST(Summary, ResNet18IsTheLongestOfItsPaths) {
  const std::vector<Geometry> expected = {
      {"input", 224, 1, 1},     {"conv1_1", 112, 2, 7},   {"maxpool", 56, 4, 11},        {"conv2_1", 56, 4, 19},
      {"conv2_2", 56, 4, 27},   {"conv2_3", 56, 4, 35},   {"conv2_4", 56, 4, 43},        {"conv3_1", 28, 8, 51},
      {"conv3_2", 28, 8, 67},   {"conv3_3", 28, 8, 43},   {"conv3_4", 28, 8, 83},        {"conv3_5", 28, 8, 99},
      {"conv4_1", 14, 16, 115}, {"conv4_2", 14, 16, 147}, {"conv4_3", 14, 16, 99},       {"conv4_4", 14, 16, 179},
      {"conv4_5", 14, 16, 211}, {"conv5_1", 7, 32, 243},  {"conv5_2", 7, 32, 307},       {"conv5_3", 7, 32, 211},
      {"conv5_4", 7, 32, 371},  {"conv5_5", 7, 32, 435},  {"adaptivepool", 1, 224, 627}, {"linear", 1, 224, 627},
  };
  ResNet model({.width_multiplier = 1.0 / 16});
  const Summary summary = summarize(model, {224, 224, 3});
  EXPECT_EQ(geometry_of(summary), expected);
  EXPECT_EQ(summary.rows[9].path, "layer2.0.downsample.0");
  EXPECT_EQ(summary.rows[9].parameters, 4 * 8 + 2 * 8);
  const NoGradGuard no_grad;
  EXPECT_EQ(geometry_of(summarize(model, {224, 224, 3})), expected) << "also where nothing is recorded";
}

// 35 pixels behind the first stage, and then 3x3 kernels at the jump of their input: that of the base has doubled
// before. Three 3x3, the first with stride 2, see four pixels more than a 7x7.
TEST(Summary, TweaksChangeWhatResNet50Sees) {
  constexpr std::int64_t base = 35 + 4 * 16 + 6 * 32 + 3 * 64;
  constexpr std::int64_t moved = 35 + (8 + 3 * 16) + (16 + 5 * 32) + (32 + 2 * 64);
  for (const auto& [tweak, field] : std::vector<std::pair<ResNetTweak, std::int64_t>>{
           {ResNetTweak::a, base}, {ResNetTweak::b, moved}, {ResNetTweak::c, moved + 4}, {ResNetTweak::d, moved + 4}}) {
    ResNet model({.depth = 50, .tweak = tweak, .width_multiplier = 1.0 / 16});
    const Summary summary = summarize(model, {224, 224, 3});
    const SummaryRow& last = summary.rows[summary.rows.size() - 3];
    EXPECT_EQ(last.path, "layer4.2.conv3");
    EXPECT_EQ(last.receptive_field, field);
    EXPECT_EQ(last.jump, 32);
  }
}

// A padding shortcut has no row and no cost, but its stride counts.
TEST(Summary, ResNet20HasARowForEachConvolution) {
  ResNet model({.depth = 20, .width_multiplier = 0.25});
  const Summary summary = summarize(model, {32, 32, 3});
  ASSERT_EQ(summary.rows.size(), 1U + 19U + 2U);
  // 3, 6 more convolutions at jump 1; one more and 5 at jump 2; one more and 5 at jump 4.
  EXPECT_EQ(summary.rows[19].path, "layer3.2.conv2");
  EXPECT_EQ(summary.rows[19].jump, 4);
  EXPECT_EQ(summary.rows[19].receptive_field, 3 + 6 * 2 + (2 + 5 * 4) + (4 + 5 * 8));
}

// A container with a parameter of its own, and a layer used twice.
struct Scaled : Layer {
  Conv2d conv{*this, "conv", 3, 3, {.kernel_size = 3, .padding = 1, .bias = false}};
  Tensor scale;
  Scaled() { add_parameter("scale", scale, Tensor::full({3}, 1)); }
  Tensor forward(const Tensor& x) override { return conv(conv(x)) * scale; }
  [[nodiscard]] std::string kind() const override { return "Scaled"; }
};

TEST(Summary, CountsEveryParameterOnce) {
  Scaled model;
  const Summary summary = summarize(model, {8, 8, 3});
  EXPECT_EQ(
      geometry_of(summary),
      (std::vector<Geometry>{{"input", 8, 1, 1}, {"conv1_1", 8, 1, 3}, {"conv1_2", 8, 1, 5}, {"scaled", 8, 1, 5}}));
  EXPECT_EQ(summary.rows[1].parameters, 81);
  EXPECT_EQ(summary.rows[2].parameters, 0);
  EXPECT_EQ(summary.rows[3].parameters, 3);
  EXPECT_EQ(summary.parameters, 84);
}

TEST(Summary, WorksWhereNothingIsRecorded) {
  Vgg model({.width_multiplier = 0.1});
  const NoGradGuard guard;
  EXPECT_EQ(geometry_of(summarize(model, {32, 32, 3})), vgg16_table);
}

TEST(Summary, LeavesTheModelAsItWas) {
  Net net;
  auto& conv = net.body.add<Conv2d>(3, 4, Conv2dOptions{.kernel_size = 3});
  auto& norm = net.body.add<BatchNorm2d>(4);
  net.train();
  norm.eval();
  summarize(net, {8, 8, 3});
  EXPECT_TRUE(net.training());
  EXPECT_TRUE(conv.training());
  EXPECT_FALSE(norm.training());
  EXPECT_FALSE(conv.weight.grad().defined());
  EXPECT_EQ(norm.running_mean.to_vector(), std::vector<double>(4, 0));

  net.to(DType::f64);
  EXPECT_EQ(summarize(net, {8, 8, 3}).rows[1].activation_bytes, 6 * 6 * 4 * 8);
}

TEST(Summary, RefusesInputsThatDoNotFit) {
  Vgg model({.depth = 11, .width_multiplier = 0.1});
  EXPECT_THROW(summarize(model, {32, 32}), ShapeError);
  EXPECT_THROW(summarize(model, {32, 0, 3}), ShapeError);
  EXPECT_THROW(summarize(model, {32, 32, 4}), ShapeError);
  EXPECT_THROW(summarize(model, {16, 16, 3}), ShapeError);
  EXPECT_TRUE(model.training()) << "also after a failure";
}

TEST(Summary, TextIsAligned) {
  Net net;
  net.body.add<Conv2d>(3, 64, Conv2dOptions{.kernel_size = 5});
  EXPECT_EQ(format_summary(summarize(net, {224, 224, 3})),
            "#  name       n  j  RF  parameters  multiply-adds  activation bytes  dense parameters  path\n"
            "0  input    224  1   1           0              0                 0                 0\n"
            "1  conv1_1  220  1   5       4,864    232,320,000        12,390,400   466,278,630,400  body.0\n"
            "   total                     4,864    232,320,000        12,390,400   466,278,630,400\n");
}

}  // namespace
}  // namespace striate

// The list of algorithms, the choice from it and its override.

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/profile.h"
#include "layers/conv/kernels.h"
#include "layers/conv/machine.h"
#include "layers/conv2d.h"
#include "tests/support/conv_run.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using namespace testing_support;

const ConvGeometry plain = conv_geometry(2, 8, 16, 3, 16, 1, 1);
const ConvGeometry strided = conv_geometry(2, 8, 16, 3, 16, 2, 1);

std::string chosen(const ConvGeometry& g, DType dtype = DType::f32) { return choose_conv(g, dtype).name; }

TEST(ConvAlgorithms, AreFoundByName) {
  const std::vector<std::string> names = conv_algorithm_names();
  ASSERT_EQ(names.size(), conv_algorithms().size() + 1);
  EXPECT_EQ(names[0], "automatic");
  EXPECT_EQ(conv_algorithm("automatic"), nullptr);
  for (std::size_t i = 1; i < names.size(); ++i) EXPECT_EQ(conv_algorithm(names[i]), conv_algorithms()[i - 1]);
  EXPECT_EQ(message_of<std::invalid_argument>([] { conv_algorithm("winograd_4"); }).substr(0, 77),
            "unknown convolution algorithm 'winograd_4': did you mean 'winograd_f4'? Known");
}

// F(4x4) on a padded map of 4x4 and its form without padding count the same.
TEST(ConvAlgorithms, TheFirstOfEqualCostsIsChosen) {
  const ConvGeometry g = conv_geometry(128, 4, 256, 3, 512, 1, 1);
  const auto cost = [&](const ConvAlgorithm& algorithm) {
    return algorithm.cost(g, DType::f32, ConvDirection::forward, conv_machine);
  };
  EXPECT_EQ(cost(conv_by::winograd_f4), cost(conv_by::winograd_line4));
  EXPECT_EQ(chosen(g), "winograd_line4");
}

TEST(ConvAlgorithms, EachShapeHasACheapest) {
  for (const ConvGeometry& g : {plain, strided, conv_geometry(2, 4, 0, 3, 5, 1, 1),
                                conv_geometry(0, 8, 16, 3, 16, 1, 1), conv_geometry(2, 7, 6, 3, 12, 1, 1, 1, 6)}) {
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      const ConvAlgorithm& best = choose_conv(g, dtype);
      EXPECT_TRUE(best.fits(g, dtype, ConvDirection::forward)) << describe(g);
      for (const ConvAlgorithm* other : fitting(g, dtype)) {
        EXPECT_FALSE(other->cost(g, dtype, ConvDirection::forward, conv_machine) <
                     best.cost(g, dtype, ConvDirection::forward, conv_machine))
            << describe(g) << " " << other->name << " and " << best.name;
      }
    }
  }
}

// Sound, grey pictures, and transposed convolution to them: a panel product would compute a panel for one column.
TEST(ConvAlgorithms, TheGradientOfOneChannelIsNoProduct) {
  for (const ConvGeometry& g : {conv_geometry(2, {1, 8000}, 1, {1, 80}, 64, {1, 4}, {0, 38}),
                                conv_geometry(2, 28, 1, 3, 20, 1, 1), conv_geometry(2, 28, 1, 1, 64)}) {
    EXPECT_STREQ(choose_conv(g, DType::f32, ConvDirection::backward_data).name, "depthwise") << describe(g);
    EXPECT_NE(chosen(g), "depthwise") << describe(g);
  }
}

TEST(ConvAlgorithmOverride, IsChosenWhereItFits) {
  const std::string automatic = chosen(plain);
  ASSERT_NE(automatic, "direct");
  {
    const ConvAlgorithmOverride outer(&conv_by::direct);
    EXPECT_EQ(chosen(plain), "direct");
    EXPECT_EQ(chosen(plain, DType::bf16), "direct");
    {
      const ConvAlgorithmOverride inner(nullptr);
      EXPECT_EQ(chosen(plain), automatic);
    }
    EXPECT_EQ(chosen(plain), "direct");
  }
  EXPECT_EQ(chosen(plain), automatic);
}

TEST(ConvAlgorithmOverride, FallsBackWhereItDoesNotFit) {
  const std::string automatic = chosen(strided);
  const ConvAlgorithmOverride conv(&conv_by::winograd_f4);
  EXPECT_EQ(chosen(strided), automatic);
  EXPECT_EQ(chosen(plain, DType::f64), "reference");
}

struct Directions {
  std::vector<double> y, dx, dw;
  std::map<std::string, std::string> algorithms;  // of every part
};

Directions run() {
  const Tensor x = random_tensor({2, 8, 8, 16}, 1, DType::f32).set_requires_grad();
  const Tensor w = random_tensor({3, 3, 16, 16}, 2, DType::f32).set_requires_grad();
  Profiler profiler;
  const Tensor y = conv2d(x, w, {}, {.kernel_size = 3, .padding = 1});
  y.backward(random_tensor(y.shape(), 3, DType::f32));
  Directions all{y.to_vector(), x.grad().to_vector(), w.grad().to_vector(), {}};
  for (const ProfileRow& row : profiler.take_rows()) all.algorithms[row.part] = row.detail;
  return all;
}

TEST(ConvAlgorithmOverride, RunsAllThreeDirections) {
  const Directions automatic = run();
  for (const ConvAlgorithm* algorithm : fitting(plain)) {
    const ConvAlgorithmOverride conv(algorithm);
    const Directions all = run();
    for (const char* part : {"forward", "backward-data", "backward-weights"}) {
      EXPECT_EQ(all.algorithms.at(part), algorithm->name) << part;
    }
  }
  EXPECT_EQ(automatic.algorithms.at("forward"), chosen(plain));
  const ConvAlgorithmOverride conv(&conv_by::direct);
  const Directions direct = run();
  EXPECT_NE(direct.y, automatic.y);  // other sums round differently
  EXPECT_NE(direct.dx, automatic.dx);
  EXPECT_NE(direct.dw, automatic.dw);
}

}  // namespace
}  // namespace striate

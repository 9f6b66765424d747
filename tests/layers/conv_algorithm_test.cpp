// The choice of an algorithm and its override.

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/profile.h"
#include "layers/conv/kernels.h"
#include "layers/conv2d.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::random_tensor;

const ConvGeometry plain = {2, 8, 8, 16, 3, 3, 16, 8, 8, 1, 1, 1, 1};
const ConvGeometry strided = {2, 8, 8, 16, 3, 3, 16, 4, 4, 2, 1, 1, 1};

TEST(ConvAlgorithmOverride, StandsForAutomaticWhereItCan) {
  const ConvAlgorithm automatic = choose_conv(plain, DType::f32);
  ASSERT_NE(automatic, ConvAlgorithm::direct);
  {
    const ConvAlgorithmOverride outer(ConvAlgorithm::direct);
    EXPECT_EQ(choose_conv(plain, DType::f32), ConvAlgorithm::direct);
    EXPECT_EQ(choose_conv(plain, DType::bf16), ConvAlgorithm::direct);
    // What is asked for by name stays.
    EXPECT_EQ(choose_conv(plain, DType::f32, ConvAlgorithm::im2col), ConvAlgorithm::im2col);
    {
      const ConvAlgorithmOverride inner(ConvAlgorithm::automatic);
      EXPECT_EQ(choose_conv(plain, DType::f32), automatic);
    }
    EXPECT_EQ(choose_conv(plain, DType::f32), ConvAlgorithm::direct);
  }
  EXPECT_EQ(choose_conv(plain, DType::f32), automatic);
}

TEST(ConvAlgorithmOverride, FallsBackWhereItCannot) {
  const ConvAlgorithm automatic = choose_conv(strided, DType::f32);
  const ConvAlgorithmOverride conv(ConvAlgorithm::winograd_f4);
  EXPECT_EQ(choose_conv(strided, DType::f32), automatic);
  EXPECT_EQ(choose_conv(plain, DType::f64), ConvAlgorithm::reference);
}

struct Passes {
  std::vector<double> y, dx, dw;
  std::map<std::string, std::string> algorithms;  // of every part
};

Passes run() {
  const Tensor x = random_tensor({2, 8, 8, 16}, 1, DType::f32).set_requires_grad();
  const Tensor w = random_tensor({3, 3, 16, 16}, 2, DType::f32).set_requires_grad();
  Profiler profiler;
  const Tensor y = conv2d(x, w, {}, {.kernel_size = 3, .padding = 1});
  y.backward(random_tensor(y.shape(), 3, DType::f32));
  Passes passes{y.to_vector(), x.grad().to_vector(), w.grad().to_vector(), {}};
  for (const ProfileRow& row : profiler.take_rows()) passes.algorithms[row.part] = row.detail;
  return passes;
}

TEST(ConvAlgorithmOverride, RunsAllThreeDirections) {
  const Passes automatic = run();
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::im2col, ConvAlgorithm::direct, ConvAlgorithm::winograd_f2, ConvAlgorithm::winograd_f4}) {
    const ConvAlgorithmOverride conv(algorithm);
    const Passes passes = run();
    for (const char* part : {"forward", "backward-data", "backward-weights"}) {
      EXPECT_EQ(passes.algorithms.at(part), to_string(algorithm)) << part;
    }
  }
  EXPECT_EQ(automatic.algorithms.at("forward"), to_string(choose_conv(plain, DType::f32)));
  const ConvAlgorithmOverride conv(ConvAlgorithm::direct);
  const Passes direct = run();
  EXPECT_NE(direct.y, automatic.y);  // other sums round differently
  EXPECT_NE(direct.dx, automatic.dx);
  EXPECT_NE(direct.dw, automatic.dw);
}

}  // namespace
}  // namespace striate

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "core/safetensors.h"
#include "optim/averages.h"
#include "tests/support/case_options.h"
#include "tests/support/errors.h"
#include "tests/support/hashed.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::CaseOptions;
using testing_support::converted;
using testing_support::expect_error;
using testing_support::hashed;
using testing_support::random_tensor;

/// The model of the averages of tests/reference/optim.py, and a buffer of integers.
struct Net : Module {
  explicit Net(DType dtype = DType::f32) {
    add_parameter("a", a, Tensor::zeros({7}, dtype));
    add_buffer("b", b, Tensor::zeros({7}, dtype));
    add_buffer("steps", steps, Tensor::zeros({}, DType::i64));
  }
  void set(double value, std::int64_t count) {
    a.copy_from(Tensor::full({7}, value));
    b.copy_from(Tensor::full({7}, -value));
    *steps.mutable_data<std::int64_t>() = count;
  }
  Tensor a, b, steps;
};

void check_average(const TensorFile& file, const std::string& name, DType dtype, double tolerance) {
  const CaseOptions options(file.metadata.at(name));
  Net net(dtype);
  WeightAverage average(net);
  for (std::int64_t update = 0; update < options.integer("updates"); ++update) {
    net.a.copy_from(hashed(name + ".a." + std::to_string(update), {7}));
    net.b.copy_from(hashed(name + ".b." + std::to_string(update), {7}));
    if (name == "average_ema") {
      average.update_ema(options.number("decay"));
    } else {
      average.update_equal();
    }
    for (const std::string key : {"a", "b"}) {
      const std::vector<double> theirs = file.find(name + "." + key).to_vector();
      const std::vector<double> ours = average.state("").at(key).to_vector();
      for (std::size_t i = 0; i < 7; ++i) {
        EXPECT_NEAR(ours[i], theirs.at(static_cast<std::size_t>(update) * 7 + i), tolerance) << key << " " << update;
      }
    }
  }
  EXPECT_EQ(average.count(), 6);
}

// Values are below 1 and errors never grow. In f64 six updates round at most five times each, here and in PyTorch
// together; in f32 they round once, by half of 2^-24 at most.
TEST(WeightAverage, EqualsPyTorchsAveragedModel) {
  const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/optim.safetensors");
  for (const char* name : {"average_equal", "average_ema"}) {
    SCOPED_TRACE(name);
    check_average(file, name, DType::f64, 6 * 5 * std::numeric_limits<double>::epsilon());
    check_average(file, name, DType::f32, 6 * std::numeric_limits<float>::epsilon() / 4 + 1e-14);
  }
}

TEST(WeightAverage, ByHand) {
  Net net;
  WeightAverage ema(net);
  WeightAverage equal(net);
  for (const double w : {8.0, 4.0, 0.0}) {
    net.set(w, static_cast<std::int64_t>(w) + 1);
    ema.update_ema(0.75);
    equal.update_equal();
  }
  EXPECT_EQ(ema.state("x.").at("x.a").to_vector(), std::vector<double>(7, 5.25)) << "8, 7, 5.25";
  EXPECT_EQ(equal.state("").at("a").to_vector(), std::vector<double>(7, 4));
  EXPECT_EQ(equal.state("").at("b").to_vector(), std::vector<double>(7, -4));
  EXPECT_EQ(equal.state("").at("steps").item(), 1) << "integers are those of the last update";
}

TEST(WeightAverage, IsInTheModuleForAWhile) {
  Net net;
  WeightAverage average(net);
  EXPECT_TRUE(average.state("").empty());
  EXPECT_THROW(average.with([] { FAIL(); }), std::logic_error);
  net.set(1, 1);
  average.update_equal();
  net.set(2, 2);
  average.update_equal();
  net.set(7, 3);
  average.with([&] {
    EXPECT_EQ(net.a.to_vector(), std::vector<double>(7, 1.5));
    EXPECT_EQ(net.b.to_vector(), std::vector<double>(7, -1.5));
    EXPECT_EQ(net.steps.item(), 2);
    EXPECT_TRUE(net.a.requires_grad());
  });
  EXPECT_EQ(net.a.to_vector(), std::vector<double>(7, 7));
  EXPECT_EQ(net.steps.item(), 3);
  EXPECT_EQ(average.state("").at("a").to_vector(), std::vector<double>(7, 1.5));
}

TEST(WeightAverage, InF32SmallMovesAreLost) {
  Net net;
  WeightAverage average(net);
  net.set(1, 0);
  average.update_ema(0.9999);
  net.set(1 + 3e-4, 0);
  average.update_ema(0.9999);
  EXPECT_EQ(average.state("").at("a").to_vector()[0], 1);
  net.set(1 + 7e-4, 0);
  average.update_ema(0.9999);
  EXPECT_GT(average.state("").at("a").to_vector()[0], 1);
}

TEST(WeightAverage, TheFirstCopyForgetsWhatWasThere) {
  Net net;
  net.set(std::numeric_limits<double>::infinity(), 0);
  WeightAverage average(net);
  net.set(3, 0);
  average.update_ema(0.5);
  EXPECT_EQ(average.state("").at("a").to_vector(), std::vector<double>(7, 3));
}

TEST(WeightAverage, LoadsWhatItSavedAndNothingElse) {
  Net net;
  WeightAverage average(net);
  net.set(5, 2);
  average.update_equal();
  std::map<std::string, Tensor> saved = average.state("swa.");
  for (auto& [name, tensor] : saved) tensor = tensor.clone();
  saved["other.a"] = Tensor::zeros({1});
  net.set(1, 9);
  WeightAverage restored(net);
  restored.load_state(saved, "swa.", 1);
  net.set(7, 4);
  restored.update_equal();
  EXPECT_EQ(restored.state("").at("a").to_vector(), std::vector<double>(7, 6));
  saved.erase("swa.b");
  saved["swa.a"] = Tensor::zeros({7}, DType::f64);
  expect_error<std::invalid_argument>([&] { restored.load_state(saved, "swa.", 3); },
                                      {"[weight_average]", "\"swa.\"", "missing: b", "a needs dtype f32, got f64"});
  EXPECT_EQ(restored.count(), 2);
  EXPECT_EQ(restored.state("").at("a").to_vector(), std::vector<double>(7, 6));
  expect_error<std::invalid_argument>([&] { restored.load_state(saved, "swa.", 0); }, {"unexpected: a"});
  EXPECT_THROW(restored.load_state({}, "swa.", -1), std::invalid_argument);
}

TEST(WeightAverage, RefusesADecayOutOfRange) {
  const Net net;
  WeightAverage average(net);
  for (const double decay : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    expect_error<std::invalid_argument>([&] { average.update_ema(decay); }, {"decay within 0 and 1"});
  }
  EXPECT_EQ(average.count(), 0);
}

}  // namespace
}  // namespace striate

#include "layers/batch_norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/random.h"
#include "tests/support/batch_norm_bounds.h"
#include "tests/support/batch_norm_relu.h"
#include "tests/support/naive_batch_norm.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"

namespace striate {
namespace {

using namespace testing_support;

struct Case {
  Shape shape;
  bool training;
  bool weight;
  bool bias;
  double eps;
  double offset;
  bool relu = false;
};

std::string describe(const Case& c) {
  return to_string(c.shape) + (c.training ? " training" : " evaluation") + (c.weight ? " weight" : "") +
         (c.bias ? " bias" : "") + " eps " + std::to_string(c.eps) + " offset " + std::to_string(c.offset) +
         (c.relu ? " relu" : "");
}

std::vector<Case> all_cases() {
  const std::vector<Shape> shapes = {{6, 3}, {2, 3, 4, 1}, {3, 2, 2, 5}, {4, 3, 2}, {2, 2}};
  std::vector<Case> cases;
  for (const auto& row : pairwise({5, 2, 2, 2, 2, 2, 2})) {
    cases.push_back({shapes[static_cast<std::size_t>(row[0])], row[1] == 0, row[2] == 0, row[3] == 0,
                     row[4] == 0 ? 1e-5 : 0.1, row[5] == 0 ? 0.0 : 10.0, row[6] == 0});
  }
  RandomSequence draw(random_stream(10, RandomUse::test));
  const auto between = [&](std::int64_t low, std::int64_t high) { return low + draw.below(high - low + 1); };
  for (int i = 0; i < 30; ++i) {
    Shape shape = {between(2, 5), between(1, 4), between(1, 4), between(1, 4)};
    if (between(0, 3) == 0) shape = {shape[0] + 1, shape[3]};
    cases.push_back({shape, between(0, 2) > 0, between(0, 1) == 0, between(0, 1) == 0,
                     std::pow(10, -static_cast<double>(between(1, 5))), static_cast<double>(between(-3, 3)),
                     between(0, 1) == 0});
  }
  return cases;
}

struct Arguments {
  Tensor x, weight, bias, mean, var;
};

Arguments arguments(const Case& c) {
  const std::int64_t channels = c.shape.back();
  return {random_tensor(c.shape, 1, DType::f64, c.offset - 1, c.offset + 1),
          c.weight ? random_tensor({channels}, 2, DType::f64, 0.5, 1.5) : Tensor(),
          c.bias ? random_tensor({channels}, 3) : Tensor(), random_tensor({channels}, 4),
          random_tensor({channels}, 5, DType::f64, 0.5, 2)};
}

TEST(BatchNorm, EqualsTheNaiveOne) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    Arguments a = arguments(c);
    const auto channels = static_cast<std::size_t>(c.shape.back());
    const auto batch = naive_moments(a.x.to_vector(), channels);
    const std::vector<double> mean = a.mean.to_vector();
    const std::vector<double> var = a.var.to_vector();
    std::vector<double> expected =
        naive_normalise(a.x.to_vector(), c.training ? batch.mean : mean, c.training ? batch.biased_var : var,
                        c.weight ? a.weight.to_vector() : std::vector<double>(channels, 1),
                        c.bias ? a.bias.to_vector() : std::vector<double>(channels, 0), c.eps);
    for (double& value : expected) value = c.relu ? std::max(0.0, value) : value;
    const Tensor y = batch_norm_relu(a.x, a.weight, a.bias, a.mean, a.var,
                                     {.training = c.training, .momentum = 0.3, .eps = c.eps}, c.relu);
    expect_close(y, Tensor::from(c.shape, expected), 1e-10, 0);
    for (std::size_t i = 0; i < channels; ++i) {
      const double share = c.training ? 0.3 : 0;
      EXPECT_NEAR(a.mean.data<double>()[i], (1 - share) * mean[i] + share * batch.mean[i], 1e-13);
      EXPECT_NEAR(a.var.data<double>()[i], (1 - share) * var[i] + share * batch.unbiased_var[i], 1e-13);
    }
  }
}

TEST(BatchNorm, Gradcheck) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    const Arguments a = arguments(c);
    std::vector<Tensor> inputs = {a.x, a.weight, a.bias};
    std::erase_if(inputs, [](const Tensor& input) { return !input.defined(); });
    for (Tensor& input : inputs) input.set_requires_grad();
    const auto op = [&](const std::vector<Tensor>& in) {
      // In training f may not change what it depends on: no running statistics.
      return batch_norm_relu(in[0], c.weight ? in[1] : Tensor(), c.bias ? in.back() : Tensor(),
                             c.training ? Tensor() : a.mean, c.training ? Tensor() : a.var,
                             {.training = c.training, .eps = c.eps}, c.relu);
    };
    const auto result = gradcheck(op, inputs);
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(BatchNorm, GradientsOfSomeInputsAlone) {
  const Case c{{2, 3, 2, 3}, true, true, true, 1e-5, 0};
  for (const bool training : {true, false}) {
    for (int wanted = 0; wanted < 6; ++wanted) {
      const Arguments a = arguments(c);
      std::vector<Tensor> inputs = {a.x, a.weight, a.bias};
      inputs[static_cast<std::size_t>(wanted % 3)].set_requires_grad();
      const auto op = [&](const std::vector<Tensor>& in) {
        return batch_norm_relu(in[0], in[1], in[2], training ? Tensor() : a.mean, training ? Tensor() : a.var,
                               {.training = training}, wanted >= 3);
      };
      const auto result = gradcheck(op, inputs);
      EXPECT_TRUE(result) << "input " << wanted << ": " << result.message;
    }
  }
}

void expect_low_precision_near(const Shape& shape, DType dtype, double offset, bool training) {
  SCOPED_TRACE(to_string(shape) + " " + to_string(dtype) + " offset " + std::to_string(offset));
  const std::int64_t channels = shape.back();
  const BatchNormOptions options{.training = training};
  const auto op = [&](const std::vector<Tensor>& in) {
    const DType stats = in[1].dtype();
    return batch_norm(in[0], in[1], in[2], Tensor::full({channels}, offset, stats),
                      Tensor::full({channels}, 0.25, stats), options);
  };
  const std::vector<Tensor> inputs = {random_tensor(shape, 1, dtype, offset - 1, offset + 1),
                                      random_tensor({channels}, 2, DType::f32, 0.5, 1.5),
                                      random_tensor({channels}, 3, DType::f32)};
  const Tensor dy = random_tensor(shape, 4, dtype);
  const OpRun low = run_op(op, inputs, dy);
  std::vector<Tensor> wide;
  for (const Tensor& input : inputs) wide.push_back(converted(input, DType::f64));
  const OpRun exact = run_op(op, wide, converted(dy, DType::f64));
  const auto batch = naive_moments(wide[0].to_vector(), static_cast<std::size_t>(channels));
  const std::vector<double> mean(batch.mean.size(), offset), var(batch.mean.size(), 0.25);
  const BatchNormErrors errors = BatchNormCase{wide[0].to_vector(),
                                               dy.to_vector(),
                                               wide[1].to_vector(),
                                               wide[2].to_vector(),
                                               training ? batch.mean : mean,
                                               training ? batch.biased_var : var,
                                               options.eps,
                                               training}
                                     .errors();
  const auto expect_near = [&](const char* what, const Tensor& got, const Tensor& truth, std::vector<double> allowed) {
    SCOPED_TRACE(what);
    const std::vector<double> values = truth.to_vector();
    for (std::size_t i = 0; i < values.size() && got.dtype() != DType::f32; ++i) {
      allowed[i] = stored_error(got.dtype(), values[i], allowed[i]);
    }
    expect_within(got.to_vector(), values, allowed);
  };
  expect_near("y", low.y, exact.y, errors.y);
  expect_near("dx", low.gradients[0], exact.gradients[0], errors.dx);
  expect_near("dweight", low.gradients[1], exact.gradients[1], errors.dw);
  expect_near("dbias", low.gradients[2], exact.gradients[2], errors.db);
}

TEST(BatchNorm, LowPrecision) {
  for (const bool training : {true, false}) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      for (const Shape& shape :
           {Shape{40, 3}, Shape{2, 9, 11, 1}, Shape{3, 7, 5, 17}, Shape{2, 33, 31, 65}, Shape{5, 9, 9, 100},
            Shape{3, 5, 5, 145}, Shape{3, 13, 530}, Shape{20, 4099}, Shape{33, 1024}}) {
        for (const double offset : {0.0, dtype == DType::f32 ? 1000.0 : 1.0}) {
          expect_low_precision_near(shape, dtype, offset, training);
        }
      }
    }
  }
}

TEST(BatchNorm, StatisticsOfManyRowsFarFromZero) {
  // Sums of squares in f32 would lose the variance altogether, and at a million even a rounded mean spoils
  // it.
  for (const double offset : {100.0, 1e6}) {
    const Tensor x = random_tensor({60000, 3}, 1, DType::f32, offset - 1, offset + 1);
    const Tensor mean = Tensor::zeros({3});
    const Tensor var = Tensor::zeros({3});
    batch_norm(x, {}, {}, mean, var, {.training = true, .momentum = 1});
    const auto exact = naive_moments(x.to_vector(), 3);
    expect_close(mean, Tensor::from({3}, exact.mean), 0, std::numeric_limits<float>::epsilon());
    expect_close(var, Tensor::from({3}, exact.unbiased_var), 0, 8 * std::numeric_limits<float>::epsilon());
  }
}

TEST(BatchNorm, ConstantChannelsStayFinite) {
  for (const double value : {0.0, 1e7 / 3, -1e30}) {
    const Tensor x = Tensor::full({100, 2}, value);
    Tensor weight = Tensor::full({2}, 1);
    const Tensor y = batch_norm(x, weight, {}, {}, {}, {.training = true});
    expect_close(y, Tensor::zeros({100, 2}), 0, 0);
  }
}

TEST(BatchNorm, ThreadsDoNotMatter) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    expect_same_bits_with_threads(
        [](const std::vector<Tensor>& in) { return batch_norm_relu(in[0], in[1], in[2], {}, {}, {.training = true}); },
        {random_tensor({7, 33, 31, 40}, 1, dtype), random_tensor({40}, 2, DType::f32),
         random_tensor({40}, 3, DType::f32)});
  }
}

TEST(BatchNorm, Errors) {
  const Tensor x = Tensor::zeros({8, 4, 4, 3});
  const Tensor three = Tensor::full({3}, 1);
  const Tensor four = Tensor::full({4}, 1);
  const auto shape = [](const auto& f) { return message_of<ShapeError>(f); };
  EXPECT_EQ(shape([&] { batch_norm(x, four, {}, {}, {}, {.training = true}); }),
            "[batch_norm] weight must have one value per channel: input (8,4,4,3) has 3, weight is (4)");
  EXPECT_EQ(shape([&] { batch_norm(x, {}, {}, four, four, {}); }),
            "[batch_norm] running_mean must have one value per channel: input (8,4,4,3) has 3, running_mean "
            "is (4)");
  EXPECT_EQ(shape([&] {
              batch_norm(Tensor::zeros({1, 1, 1, 3}), {}, {}, {}, {}, {.training = true});
            }),
            "[batch_norm] expected more than 1 value per channel when training: input (1,1,1,3) has 1");
  EXPECT_EQ(shape([&] { batch_norm(three, {}, {}, {}, {}, {.training = true}); }),
            "[batch_norm] input must be (N,H,W,C) or (N,C): got (3)");
  const auto argument = [](const auto& f) { return message_of<std::invalid_argument>(f); };
  EXPECT_EQ(argument([&] { batch_norm(converted(x, DType::bf16), converted(three, DType::f64), {}, {}, {}, {}); }),
            "[batch_norm] expected weight in f32 for an input in bf16, got f64");
  EXPECT_NE(argument([&] { batch_norm(x, {}, {}, {}, {}, {}); }).find("running_mean"), std::string::npos);
  EXPECT_NE(argument([&] { batch_norm(x, {}, {}, three, {}, {.training = true}); }).find("running_var"),
            std::string::npos);
  Module root;
  EXPECT_THROW(BatchNorm2d(root, "norm", 0), std::invalid_argument);
}

TEST(BatchNormLayer, RegistersInPyTorchsOrder) {
  Module root;
  BatchNorm2d norm(root, "norm", 3);
  std::vector<std::string> names;
  for (const NamedTensor& parameter : root.parameters()) names.push_back(parameter.name);
  for (const NamedTensor& buffer : root.buffers()) names.push_back(buffer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
                                             "norm.num_batches_tracked"}));
  EXPECT_EQ(norm.weight.to_vector(), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(norm.bias.to_vector(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(norm.running_mean.to_vector(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(norm.running_var.to_vector(), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(norm.num_batches_tracked.dtype(), DType::i64);
  EXPECT_EQ(norm.num_batches_tracked.shape(), Shape{});
  EXPECT_EQ(norm.kind(), "BatchNorm2d");
  EXPECT_TRUE(norm.geometry({}, {}).merges_into_previous);
}

TEST(BatchNormLayer, TrainingMovesTheRunningStatistics) {
  Module root;
  BatchNorm2d norm(root, "norm", 1);
  const Tensor x = Tensor::from({4, 1}, std::vector<float>{0, 2, 4, 6});  // mean 3, unbiased variance 20/3
  norm(x);
  EXPECT_NEAR(norm.running_mean.item(), 0.3, 1e-6);
  EXPECT_NEAR(norm.running_var.item(), 0.9 + 0.1 * 20 / 3, 1e-6);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  root.eval();
  const double expected = (6 - norm.running_mean.item()) / std::sqrt(norm.running_var.item() + 1e-5);
  EXPECT_NEAR(norm(x).to_vector()[3], expected, 1e-6);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
}

TEST(BatchNormLayer, NoMomentumMeansACumulativeAverage) {
  Module root;
  BatchNorm2d norm(root, "norm", 1, {.momentum = std::nullopt});
  for (const float shift : {0.0F, 3.0F, 9.0F}) norm(Tensor::from({2, 1}, std::vector<float>{shift, shift + 2}));
  EXPECT_NEAR(norm.running_mean.item(), (1.0 + 4.0 + 10.0) / 3, 1e-6);
  EXPECT_NEAR(norm.running_var.item(), 2, 1e-6);
  EXPECT_EQ(norm.num_batches_tracked.item(), 3);
}

TEST(BatchNormLayer, WithoutRunningStatisticsTheBatchServesAlways) {
  Module root;
  BatchNorm2d norm(root, "norm", 1, {.affine = false, .track_running_stats = false});
  EXPECT_TRUE(root.parameters().empty());
  EXPECT_TRUE(root.buffers().empty());
  const Tensor x = Tensor::from({2, 1}, std::vector<float>{1, 3});
  const Tensor trained = norm(x);
  root.eval();
  EXPECT_TRUE(same_bits(norm(x), trained));
  EXPECT_NEAR(trained.to_vector()[1], 1, 1e-5);
}

TEST(BatchNormLayer, AFailedCallCountsNoBatch) {
  Module root;
  BatchNorm2d norm(root, "norm", 2);
  EXPECT_THROW(norm(Tensor::zeros({1, 2})), ShapeError);
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
}

}  // namespace
}  // namespace striate

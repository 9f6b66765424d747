#include "layers/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/gradcheck.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/reduce.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using testing_support::converted;
using testing_support::expect_close;
using testing_support::expect_same_bits;
using testing_support::expect_within;
using testing_support::expect_within_rounding;
using testing_support::gamma;
using testing_support::Op;
using testing_support::random_tensor;
using testing_support::stored_error;

struct Sizes {
  std::int64_t n, c, k;
};

const std::vector<Sizes> sizes = {{1, 1, 1}, {2, 3, 5}, {7, 17, 1}, {33, 65, 10}, {5, 129, 31}};

/// y = x w + b as it is written.
Tensor reference(const Tensor& x, const Tensor& w, const Tensor& b) {
  const std::int64_t n = x.size(0);
  const std::int64_t c = x.size(1);
  const std::int64_t k = w.size(1);
  const std::vector<double> xs = x.to_vector();
  const std::vector<double> ws = w.to_vector();
  std::vector<double> y;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < k; ++j) {
      double sum = b.defined() ? b.to_vector()[static_cast<std::size_t>(j)] : 0;
      for (std::int64_t l = 0; l < c; ++l) {
        sum += xs[static_cast<std::size_t>(i * c + l)] * ws[static_cast<std::size_t>(l * k + j)];
      }
      y.push_back(sum);
    }
  }
  return Tensor::from({n, k}, y);
}

/// Forward and gradients for one dtype of x; the parameters are f32 beside bf16 and f16.
struct Result {
  Tensor y, dx, dw, db;
};

Result run(const Sizes& s, DType dtype, bool bias) {
  const DType parameters = parameter_dtype(dtype);
  Tensor x = random_tensor({s.n, s.c}, 1, dtype);
  Tensor w = random_tensor({s.c, s.k}, 2, parameters);
  Tensor b = bias ? random_tensor({s.k}, 3, parameters) : Tensor();
  x.set_requires_grad();
  w.set_requires_grad();
  if (bias) b.set_requires_grad();
  const Tensor y = linear(x, w, b);
  y.backward(random_tensor({s.n, s.k}, 4, dtype));
  return {y.detach(), x.grad(), w.grad(), bias ? b.grad() : Tensor()};
}

TEST(Linear, IsTheProductPlusBias) {
  for (const Sizes& s : sizes) {
    for (const bool bias : {false, true}) {
      const Tensor x = random_tensor({s.n, s.c}, 1);
      const Tensor w = random_tensor({s.c, s.k}, 2);
      const Tensor b = bias ? random_tensor({s.k}, 3) : Tensor();
      expect_close(linear(x, w, b), reference(x, w, b), 1e-14 * static_cast<double>(s.c + 1), 0);
    }
  }
}

TEST(Linear, Gradcheck) {
  for (const Sizes& s : std::vector<Sizes>{{1, 1, 1}, {3, 5, 2}, {4, 7, 9}}) {
    std::vector<Tensor> inputs = {random_tensor({s.n, s.c}, 1), random_tensor({s.c, s.k}, 2), random_tensor({s.k}, 3)};
    for (Tensor& input : inputs) input.set_requires_grad();
    const auto with_bias = [](const std::vector<Tensor>& in) { return linear(in[0], in[1], in[2]); };
    const GradcheckResult result = gradcheck(with_bias, inputs);
    EXPECT_TRUE(result) << result.message;
    const auto without = [](const std::vector<Tensor>& in) { return linear(in[0], in[1], {}); };
    const GradcheckResult plain = gradcheck(without, {inputs[0], inputs[1]});
    EXPECT_TRUE(plain) << plain.message;
  }
}

TEST(Linear, LowPrecisionRoundsOperandsAndOutputsOnly) {
  const Op op = [](const std::vector<Tensor>& in) { return linear(in[0], in[1], in[2]); };
  for (const Sizes& s : sizes) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      SCOPED_TRACE(to_string(dtype) + " " + to_string({s.n, s.c, s.k}));
      const Tensor x = random_tensor({s.n, s.c}, 1, dtype);
      const Tensor w = random_tensor({s.c, s.k}, 2, DType::f32);
      const Tensor b = random_tensor({s.k}, 3, DType::f32);
      const Tensor operand = converted(converted(w, dtype), DType::f32);
      expect_same_bits(linear(x, w, b), linear(x, operand, b));
      const auto n = static_cast<double>(s.n), c = static_cast<double>(s.c), k = static_cast<double>(s.k);
      const DType parameter = dtype == DType::f16 ? DType::f16 : DType::f32;
      expect_within_rounding(op, {x, operand, b},
                             {{c + 1, 0, dtype}, {k, 0, dtype}, {n, 0, parameter}, {n, 0, parameter}});
      if (dtype != DType::f16) continue;
      const Result low = run(s, dtype, true);
      expect_same_bits(low.dw, converted(converted(low.dw, DType::f16), DType::f32));
      expect_same_bits(low.db, converted(converted(low.db, DType::f16), DType::f32));
    }
  }
}

// Past as_convolution's size; the sums in f64 of what the products take.
TEST(Linear, LargeWeightsInLowPrecisionAreRoundedNoMore) {
  constexpr std::size_t c = 1030, k = 1025;
  const Tensor x = random_tensor({3, c}, 1, DType::bf16);
  const Tensor w = random_tensor({c, k}, 2, DType::f32);
  const Tensor b = random_tensor({k}, 3, DType::f32);
  const std::vector<double> xs = x.to_vector(), bs = b.to_vector();
  const std::vector<double> ws = converted(w, DType::bf16).to_vector();
  std::vector<double> expected, allowed;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < k; ++j) {
      double sum = bs[j], size = std::abs(bs[j]);
      for (std::size_t l = 0; l < c; ++l) {
        sum += xs[i * c + l] * ws[l * k + j];
        size += std::abs(xs[i * c + l] * ws[l * k + j]);
      }
      expected.push_back(sum);
      allowed.push_back(stored_error(DType::bf16, sum, gamma(c + 1, 0x1p-24) * size));
    }
  }
  const NoGradGuard no_grad;
  expect_within(linear(x, w, b).to_vector(), expected, allowed);
}

TEST(Linear, ThreadsDoNotChangeBits) {
  const int before = num_threads();
  const Sizes s{130, 257, 129};
  set_num_threads(1);
  const Result one = run(s, DType::f32, true);
  set_num_threads(3);
  const Result three = run(s, DType::f32, true);
  set_num_threads(before);
  EXPECT_EQ(one.y.to_vector(), three.y.to_vector());
  EXPECT_EQ(one.dx.to_vector(), three.dx.to_vector());
  EXPECT_EQ(one.dw.to_vector(), three.dw.to_vector());
  EXPECT_EQ(one.db.to_vector(), three.db.to_vector());
}

TEST(Linear, RejectsWhatDoesNotFit) {
  const auto message = [](const Tensor& x, const Tensor& w, const Tensor& b) -> std::string {
    try {
      static_cast<void>(linear(x, w, b));
    } catch (const ShapeError& error) {
      return error.what();
    }
    return "nothing thrown";
  };
  const Tensor w = random_tensor({4, 3}, 1);
  EXPECT_EQ(message(random_tensor({2, 5}, 1), w, {}),
            "[linear] input channels must equal the weight's rows: input (2,5), weight (4,3)");
  EXPECT_EQ(message(random_tensor({2, 4}, 1), w, random_tensor({4}, 1)),
            "[linear] bias must hold one value per column of the weight: input (2,4), weight (4,3), bias (4)");
  EXPECT_EQ(message(random_tensor({2, 2, 4}, 1), w, {}),
            "[linear] input must be (N,C) and weight (C,K): input (2,2,4), weight (4,3)");
  EXPECT_THROW(linear(random_tensor({2, 4}, 1, DType::f32), w, {}), std::invalid_argument);
  EXPECT_THROW(linear(random_tensor({2, 4}, 1, DType::bf16), random_tensor({4, 3}, 1, DType::bf16), {}),
               std::invalid_argument);
  Module root;
  EXPECT_THROW(Linear(root, "fc", 0, 3), std::invalid_argument);
}

TEST(Linear, LayerHoldsPyTorchsParameters) {
  manual_seed(5);
  Module root;
  Linear fc(root, "fc", 100, 30);
  Linear bare(root, "bare", 4, 2, {.bias = false});
  const std::vector<NamedTensor> parameters = root.parameters();
  ASSERT_EQ(parameters.size(), 3U);
  EXPECT_EQ(parameters[0].name, "fc.weight");
  EXPECT_EQ(parameters[0].value.shape(), (Shape{100, 30}));
  EXPECT_EQ(parameters[0].file_axes, (std::vector<int>{1, 0}));
  EXPECT_EQ(parameters[1].name, "fc.bias");
  EXPECT_EQ(parameters[1].value.shape(), Shape{30});
  EXPECT_EQ(parameters[2].name, "bare.weight");
  double largest = 0;
  for (const double value : fc.weight.to_vector()) largest = std::max(largest, std::abs(value));
  EXPECT_LE(largest, 0.1);
  EXPECT_GT(largest, 0.099);
  for (const double value : fc.bias.to_vector()) EXPECT_LE(std::abs(value), 0.1);
  EXPECT_TRUE(fc.weight.requires_grad());
  EXPECT_EQ(fc(random_tensor({2, 100}, 1, DType::f32)).shape(), (Shape{2, 30}));
  EXPECT_EQ(fc.kind(), "Linear");
  const LayerGeometry geometry = fc.geometry({1, 100}, {1, 30});
  EXPECT_EQ(geometry.multiply_adds, 3000);
  EXPECT_EQ(geometry.dense_parameters, 3030);
}

}  // namespace
}  // namespace striate

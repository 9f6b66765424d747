#include "core/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/gradcheck.h"
#include "core/reduce.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::expect_same_bits;
using testing_support::expect_same_bits_with_threads;
using testing_support::random_tensor;
using testing_support::rounding;

struct BinaryOp {
  const char* name;
  Tensor (*op)(const Tensor&, const Tensor&);
  double (*meaning)(double, double);
};

const std::vector<BinaryOp> binary_ops = {{"add", add, [](double a, double b) { return a + b; }},
                                          {"sub", sub, [](double a, double b) { return a - b; }},
                                          {"mul", mul, [](double a, double b) { return a * b; }},
                                          {"div", div, [](double a, double b) { return a / b; }}};

struct UnaryOp {
  const char* name;
  Tensor (*op)(const Tensor&);
  double (*meaning)(double);
};

const std::vector<UnaryOp> unary_ops = {
    {"affine", [](const Tensor& x) { return affine(x, -2.5, 0.75); }, [](double x) { return x * -2.5 + 0.75; }},
    {"exp", exp, [](double x) { return std::exp(x); }},
    {"log", log, [](double x) { return std::log(x); }},
    {"sqrt", sqrt, [](double x) { return std::sqrt(x); }}};

// Every shape meets every other, itself included.
const std::vector<Shape> small_shapes = {{},        {1},       {3},          {1, 1},       {1, 3},       {2, 1},
                                         {2, 3},    {4, 1, 1}, {4, 1, 3},    {4, 2, 1},    {4, 2, 3},    {1, 2, 3},
                                         {2, 2, 3}, {5},       {2, 4, 2, 3}, {2, 1, 2, 1}, {1, 4, 1, 3}, {0, 3}};

// The broadcast shape by the definition; false where there is none.
bool broadcast_shape(Shape a, Shape b, Shape& result) {
  while (a.size() < b.size()) a.insert(a.begin(), 1);
  while (b.size() < a.size()) b.insert(b.begin(), 1);
  result = a;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && a[i] != 1 && b[i] != 1) return false;
    if (a[i] == 1) result[i] = b[i];
  }
  return true;
}

// The element of x that stands at place `flat` of a broadcast shape.
double element(const std::vector<double>& x, const Shape& x_shape, const Shape& shape, std::int64_t flat) {
  std::int64_t place = 0;
  std::int64_t stride = 1;
  for (std::size_t back = 1; back <= shape.size(); ++back) {
    const std::int64_t index = flat % shape[shape.size() - back];
    flat /= shape[shape.size() - back];
    if (back > x_shape.size()) continue;
    const std::int64_t size = x_shape[x_shape.size() - back];
    if (size != 1) place += index * stride;
    stride *= size;
  }
  return x[static_cast<std::size_t>(place)];
}

Tensor reference(const BinaryOp& op, const Tensor& a, const Tensor& b, const Shape& shape) {
  Tensor y = Tensor::empty(shape, DType::f64);
  const std::vector<double> left = a.to_vector();
  const std::vector<double> right = b.to_vector();
  auto* values = y.mutable_data<double>();
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    values[i] = op.meaning(element(left, a.shape(), shape, i), element(right, b.shape(), shape, i));
  }
  return y;
}

double epsilon(DType dtype) { return 2 * rounding(dtype).rtol; }

TEST(Elementwise, BroadcastsAllPairsOfShapes) {
  for (const Shape& a_shape : small_shapes) {
    for (const Shape& b_shape : small_shapes) {
      SCOPED_TRACE(to_string(a_shape) + " with " + to_string(b_shape));
      const Tensor a = random_tensor(a_shape, 1);
      const Tensor b = random_tensor(b_shape, 2, DType::f64, 0.5, 2);
      Shape shape;
      const bool fits = broadcast_shape(a_shape, b_shape, shape);
      for (const BinaryOp& op : binary_ops) {
        if (fits) {
          expect_close(op.op(a, b), reference(op, a, b, shape), 0, 0);
        } else {
          expect_error<ShapeError>([&] { op.op(a, b); }, {"[" + std::string(op.name) + "]", "equal or 1",
                                                          to_string(a_shape), to_string(b_shape)});
        }
      }
    }
  }
}

TEST(Elementwise, GradientsOfAllPairsOfShapes) {
  for (const Shape& a_shape : small_shapes) {
    for (const Shape& b_shape : small_shapes) {
      Shape shape;
      if (!broadcast_shape(a_shape, b_shape, shape)) continue;
      SCOPED_TRACE(to_string(a_shape) + " with " + to_string(b_shape));
      for (const BinaryOp& op : binary_ops) {
        const auto f = [&](const std::vector<Tensor>& in) { return op.op(in[0], in[1]); };
        for (const int wanted : {1, 2, 3}) {
          Tensor a = random_tensor(a_shape, 1);
          Tensor b = random_tensor(b_shape, 2, DType::f64, 0.5, 2);
          a.set_requires_grad((wanted & 1) != 0);
          b.set_requires_grad((wanted & 2) != 0);
          const GradcheckResult result = gradcheck(f, {a, b});
          EXPECT_TRUE(result.ok) << op.name << ": " << result.message;
        }
      }
    }
  }
}

// One rounding in f32, bf16 and f16; sizes around vector registers and the grain of parallel loops.
TEST(Elementwise, LowPrecisionRoundsOnce) {
  const std::vector<std::pair<Shape, Shape>> pairs = {{{1}, {1}},
                                                      {{7}, {7}},
                                                      {{33}, {33}},
                                                      {{70001}, {70001}},
                                                      {{1234, 65}, {65}},
                                                      {{65}, {1234, 65}},
                                                      {{999, 67}, {999, 1}},
                                                      {{3, 1}, {1, 40000}},
                                                      {{5, 1, 17}, {1, 31, 17}}};
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const auto& [a_shape, b_shape] : pairs) {
      SCOPED_TRACE(to_string(dtype) + " " + to_string(a_shape) + " with " + to_string(b_shape));
      const Tensor a = random_tensor(a_shape, 1, dtype);
      const Tensor b = random_tensor(b_shape, 2, dtype, 0.5, 2);
      Shape shape;
      ASSERT_TRUE(broadcast_shape(a_shape, b_shape, shape));
      for (const BinaryOp& op : binary_ops) {
        const Tensor y = op.op(a, b);
        EXPECT_EQ(y.dtype(), dtype);
        expect_close(y, reference(op, a, b, shape), rounding(dtype).atol, epsilon(dtype) * 0.501);
      }
    }
  }
}

// A gradient of a stretched input sums terms that were rounded once each.
TEST(Elementwise, LowPrecisionGradients) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const BinaryOp& op : binary_ops) {
      SCOPED_TRACE(to_string(dtype) + " " + op.name);
      std::vector<Tensor> gradients;
      for (const DType each : {dtype, DType::f64}) {
        Tensor a = cast(random_tensor({301, 17}, 1, dtype), each);
        Tensor b = cast(random_tensor({17}, 2, dtype, 0.5, 2), each);
        a.set_requires_grad();
        b.set_requires_grad();
        op.op(a, b).backward(cast(random_tensor({301, 17}, 3, dtype), each));
        EXPECT_EQ(b.grad().dtype(), each);
        gradients.push_back(a.grad());
        gradients.push_back(b.grad());
      }
      expect_close(gradients[0], gradients[2], rounding(dtype).atol, 2 * epsilon(dtype));
      // Up to 301 terms below 4, three roundings each at most.
      expect_close(gradients[1], gradients[3], 301 * 4 * 1.5 * epsilon(dtype), 2 * epsilon(dtype));
    }
  }
}

TEST(Elementwise, UnaryValuesAndGradients) {
  for (const UnaryOp& op : unary_ops) {
    SCOPED_TRACE(op.name);
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{3, 5}, Shape{33001}, Shape{0}}) {
      for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
        const Tensor x = random_tensor(shape, 1, dtype, 0.3, 2);
        std::vector<double> expected = x.to_vector();
        for (double& value : expected) value = op.meaning(value);
        const Tensor y = op.op(x);
        EXPECT_EQ(y.dtype(), dtype);
        // Where the result crosses zero the rounding is relative to what was added up.
        expect_close(y, Tensor::from(shape, expected), 5 * epsilon(dtype == DType::f64 ? dtype : DType::f32),
                     2 * epsilon(dtype));
      }
    }
    const auto f = [&](const std::vector<Tensor>& in) { return op.op(in[0]); };
    for (const Shape& shape : {Shape{}, Shape{3, 5}}) {
      const GradcheckResult result = gradcheck(f, {random_tensor(shape, 2, DType::f64, 0.3, 2).set_requires_grad()});
      EXPECT_TRUE(result.ok) << result.message;
    }
  }
}

TEST(Elementwise, OperatorsAreTheOps) {
  const Tensor a = random_tensor({2, 3}, 1);
  const Tensor b = random_tensor({3}, 2, DType::f64, 0.5, 2);
  expect_same_bits(a + b, add(a, b));
  expect_same_bits(a - b, sub(a, b));
  expect_same_bits(a * b, mul(a, b));
  expect_same_bits(a / b, div(a, b));
  expect_same_bits(a * 3, affine(a, 3));
  expect_same_bits(3 * a, affine(a, 3));
  expect_same_bits(a + 0.5, affine(a, 1, 0.5));
  expect_same_bits(a - 0.5, affine(a, 1, -0.5));
  expect_same_bits(-a, affine(a, -1));
}

TEST(Elementwise, ATensorWithItself) {
  for (const BinaryOp& op : binary_ops) {
    const auto f = [&](const std::vector<Tensor>& in) { return op.op(in[0], in[0]); };
    const GradcheckResult result = gradcheck(f, {random_tensor({2, 3}, 1, DType::f64, 0.5, 2).set_requires_grad()});
    EXPECT_TRUE(result.ok) << op.name << ": " << result.message;
  }
}

TEST(Elementwise, CastConvertsBothWays) {
  for (const DType from : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    for (const DType to : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      SCOPED_TRACE(to_string(from) + " to " + to_string(to));
      Tensor x = random_tensor({33, 7}, 1, from);
      x.set_requires_grad();
      const Tensor y = cast(x, to);
      EXPECT_EQ(y.dtype(), to);
      Tensor expected = Tensor::empty({33, 7}, to);
      expected.copy_from(x);
      expect_same_bits(y, expected);
      const Tensor dy = random_tensor({33, 7}, 2, to);
      y.backward(dy);
      Tensor expected_dx = Tensor::empty({33, 7}, from);
      expected_dx.copy_from(dy);
      expect_same_bits(x.grad(), expected_dx);
    }
  }
}

TEST(Elementwise, DtypesMustAgree) {
  const Tensor a = random_tensor({2, 3}, 1, DType::f32);
  const Tensor b = random_tensor({3}, 1, DType::f64);
  for (const BinaryOp& op : binary_ops) {
    expect_error<ShapeError>([&] { op.op(a, b); }, {"[" + std::string(op.name) + "]", "(2,3) is f32", "(3) is f64"});
  }
  const Tensor labels = Tensor::zeros({3}, DType::i64);
  for (const BinaryOp& op : binary_ops) {
    expect_error<std::invalid_argument>([&] { op.op(labels, labels); }, {"[" + std::string(op.name) + "]", "i64"});
  }
  for (const UnaryOp& op : unary_ops) {
    expect_error<std::invalid_argument>([&] { op.op(labels); }, {"[" + std::string(op.name) + "]", "i64"});
  }
  expect_error<std::invalid_argument>([&] { cast(labels, DType::f32); }, {"[cast]", "i64"});
  expect_error<std::invalid_argument>([&] { cast(a, DType::u8); }, {"[cast]", "u8"});
}

TEST(Elementwise, BitsDoNotDependOnThreads) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    expect_same_bits_with_threads([&] {
      std::vector<Tensor> results;
      for (const BinaryOp& op : binary_ops) {
        Tensor a = random_tensor({1500, 67}, 1, dtype);
        Tensor b = random_tensor({67}, 2, dtype, 0.5, 2);
        Tensor c = random_tensor({1500, 1}, 3, dtype, 0.5, 2);
        a.set_requires_grad();
        b.set_requires_grad();
        c.set_requires_grad();
        const Tensor y = op.op(op.op(a, b), c);
        y.backward(random_tensor({1500, 67}, 4, dtype));
        for (const Tensor& result : {y, a.grad(), b.grad(), c.grad()}) results.push_back(result);
      }
      return results;
    });
  }
}

}  // namespace
}  // namespace striate

#include "core/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/elementwise.h"
#include "core/gradcheck.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::expect_same_bits_with_threads;
using testing_support::expect_within;
using testing_support::mapped;
using testing_support::random_tensor;
using testing_support::worst_error;

Tensor reference(const Tensor& a, const Tensor& b) {
  const std::vector<double> left = a.to_vector();
  const std::vector<double> right = b.to_vector();
  std::vector<double> y;
  for (std::int64_t i = 0; i < a.size(0); ++i) {
    for (std::int64_t j = 0; j < b.size(1); ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < a.size(1); ++k) {
        sum += left[static_cast<std::size_t>(i * a.size(1) + k)] * right[static_cast<std::size_t>(k * b.size(1) + j)];
      }
      y.push_back(sum);
    }
  }
  return Tensor::from({a.size(0), b.size(1)}, y);
}

struct Sizes {
  std::int64_t m, l, n;
};

const std::vector<Sizes> sizes = {{1, 1, 1}, {2, 3, 4}, {1, 17, 5}, {33, 1, 7}, {65, 129, 31}, {3, 0, 2}, {0, 3, 2}};

Tensor transposed(const Tensor& a) {
  Tensor result = Tensor::empty({a.size(1), a.size(0)}, DType::f64);
  const std::vector<double> values = a.to_vector();
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    result.mutable_data<double>()[i % a.size(1) * a.size(0) + i / a.size(1)] = values[static_cast<std::size_t>(i)];
  }
  return result;
}

// Operands are as they are; sums are f32 or f64, stored in the dtype.
void expect_product(const Tensor& got, const Tensor& a, const Tensor& b) {
  const auto size = [](double value) { return std::abs(value); };
  const std::vector<double> exact = reference(a, b).to_vector();
  std::vector<double> allowed = reference(mapped(a, size), mapped(b, size)).to_vector();
  // The reference in f64 is rounded as often.
  const auto steps = static_cast<double>(got.dtype() == DType::f64 ? 2 * a.size(1) : a.size(1));
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    allowed[i] = worst_error(got.dtype(), {steps, 0, got.dtype()}, exact[i], allowed[i]);
  }
  expect_within(got.to_vector(), exact, allowed);
}

void check_dtype(const Sizes& s, DType dtype) {
  SCOPED_TRACE(to_string(dtype) + " " + to_string({s.m, s.l, s.n}));
  Tensor a = random_tensor({s.m, s.l}, 1, dtype);
  Tensor b = random_tensor({s.l, s.n}, 2, dtype);
  const Tensor dy = random_tensor({s.m, s.n}, 3, dtype);
  a.set_requires_grad();
  b.set_requires_grad();
  const Tensor y = matmul(a, b);
  EXPECT_EQ(y.dtype(), dtype);
  expect_product(y, a, b);
  y.backward(dy);
  expect_product(a.grad(), dy, transposed(b));
  expect_product(b.grad(), transposed(a), dy);
}

TEST(Matmul, ValuesAndGradientsInEveryDtype) {
  for (const Sizes& s : sizes) {
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) check_dtype(s, dtype);
  }
}

TEST(Matmul, Gradcheck) {
  for (const Sizes& s : {Sizes{1, 1, 1}, Sizes{2, 3, 4}, Sizes{5, 1, 2}}) {
    for (const int wanted : {1, 2, 3}) {
      Tensor a = random_tensor({s.m, s.l}, 1);
      Tensor b = random_tensor({s.l, s.n}, 2);
      a.set_requires_grad((wanted & 1) != 0);
      b.set_requires_grad((wanted & 2) != 0);
      const GradcheckResult result =
          gradcheck([](const std::vector<Tensor>& in) { return matmul(in[0], in[1]); }, {a, b});
      EXPECT_TRUE(result.ok) << result.message;
    }
  }
}

TEST(Matmul, Errors) {
  const Tensor a = random_tensor({2, 3}, 1);
  expect_error<ShapeError>([&] { matmul(a, a); }, {"[matmul]", "(M,L) and (L,N)", "(2,3) and (2,3)"});
  expect_error<ShapeError>([&] { matmul(a, random_tensor({3}, 1)); }, {"[matmul]", "(3)"});
  expect_error<ShapeError>([&] { matmul(a, random_tensor({3, 2}, 1, DType::f32)); }, {"[matmul]", "f64", "f32"});
  const Tensor labels = Tensor::zeros({3, 3}, DType::i64);
  expect_error<ShapeError>([&] { matmul(labels, labels); }, {"[matmul]", "i64"});
}

TEST(Matmul, BitsDoNotDependOnThreads) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    expect_same_bits_with_threads([&] {
      Tensor a = random_tensor({300, 129}, 1, dtype);
      Tensor b = random_tensor({129, 530}, 2, dtype);
      a.set_requires_grad();
      b.set_requires_grad();
      const Tensor y = matmul(a, b);
      y.backward(random_tensor({300, 530}, 3, dtype));
      return std::vector<Tensor>{y, a.grad(), b.grad()};
    });
  }
}

}  // namespace
}  // namespace striate

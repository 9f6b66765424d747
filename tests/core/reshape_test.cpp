#include "core/reshape.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/elementwise.h"
#include "core/gradcheck.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::expect_same_bits;
using testing_support::expect_same_bits_with_threads;
using testing_support::random_tensor;

std::vector<Axis> axes_of_rank(int rank) {
  if (rank == 2) return {Axis::batch, Axis::channels};
  if (rank == 3) return {Axis::batch, Axis::width, Axis::channels};
  return {Axis::batch, Axis::height, Axis::width, Axis::channels};
}

// Element by element: y[..., i, ...] = x[..., i + begin, ...] along one axis.
template <class T>
Tensor reference_slice(const Tensor& x, std::size_t axis, std::int64_t begin, std::int64_t end) {
  Shape shape = x.shape();
  shape[axis] = end - begin;
  std::vector<T> values;
  for (std::int64_t flat = 0; flat < x.numel(); ++flat) {
    std::int64_t after = 1;
    for (std::size_t i = axis + 1; i < shape.size(); ++i) after *= shape[i];
    const std::int64_t index = flat / after % x.shape()[axis];
    if (index >= begin && index < end) values.push_back(x.data<T>()[flat]);
  }
  return Tensor::from(shape, values);
}

TEST(Reshape, KeepsOrderAndMemory) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  for (const Shape& shape : {Shape{24}, Shape{6, 4}, Shape{4, 3, 2}, Shape{2, 1, 3, 4}}) {
    const Tensor y = reshape(x, shape);
    EXPECT_EQ(y.shape(), shape);
    EXPECT_EQ(y.raw(), x.raw());
    EXPECT_EQ(y.to_vector(), x.to_vector());
  }
  EXPECT_EQ(reshape(x, {6, -1}).shape(), (Shape{6, 4}));
  EXPECT_EQ(reshape(x, {-1}).shape(), (Shape{24}));
  EXPECT_EQ(reshape(x, {2, 3, -1, 4}).shape(), (Shape{2, 3, 1, 4}));
  EXPECT_EQ(reshape(Tensor::zeros({1}), {}).shape(), Shape{});
  EXPECT_EQ(reshape(Tensor::zeros({0, 3}), {-1, 3}).shape(), (Shape{0, 3}));
}

TEST(Reshape, Gradient) {
  const GradcheckResult result = gradcheck(
      [](const std::vector<Tensor>& in) {
        return reshape(in[0] * in[0], {4, -1});
      },
      {random_tensor({2, 3, 2}, 1).set_requires_grad()});
  EXPECT_TRUE(result.ok) << result.message;
  Tensor leaf = random_tensor({2, 3}, 1);
  leaf.set_requires_grad();
  EXPECT_TRUE(gradcheck([](const std::vector<Tensor>& in) { return reshape(in[0], {6}); }, {leaf}).ok);
}

TEST(Reshape, Errors) {
  const Tensor x = random_tensor({2, 3}, 1);
  expect_error<ShapeError>([&] { reshape(x, {7}); }, {"[reshape]", "(2,3) as (7)"});
  expect_error<ShapeError>([&] { reshape(x, {4, -1}); }, {"[reshape]", "-1", "(2,3) as (4,-1)"});
  expect_error<ShapeError>([&] { reshape(x, {-1, -1}); }, {"[reshape]", "only one", "(-1,-1)"});
  expect_error<ShapeError>([&] { reshape(x, {-2, 3}); }, {"(-2,3)"});
  expect_error<ShapeError>([&] { reshape(Tensor::zeros({0, 3}), {0, -1}); }, {"[reshape]", "(0,-1)"});
}

TEST(Slice, IsThePartOfTheAxis) {
  for (const Shape& shape : {Shape{5, 7}, Shape{3, 4, 5}, Shape{2, 5, 3, 4}}) {
    const Tensor x = random_tensor(shape, 1, DType::f32);
    const Tensor bytes = Tensor::from(shape, std::vector<std::uint8_t>(static_cast<std::size_t>(x.numel()), 7));
    const std::vector<Axis> axes = axes_of_rank(x.rank());
    for (std::size_t i = 0; i < axes.size(); ++i) {
      for (std::int64_t begin = 0; begin < shape[i]; ++begin) {
        for (std::int64_t end = begin + 1; end <= shape[i]; ++end) {
          expect_same_bits(slice(x, axes[i], begin, end), reference_slice<float>(x, i, begin, end));
          expect_same_bits(slice(bytes, axes[i], begin, end), reference_slice<std::uint8_t>(bytes, i, begin, end));
        }
      }
    }
  }
}

TEST(Slice, Gradients) {
  for (const Axis axis : axes_of_rank(4)) {
    const GradcheckResult result = gradcheck([&](const std::vector<Tensor>& in) { return slice(in[0], axis, 1, 3); },
                                             {random_tensor({3, 4, 3, 5}, 1).set_requires_grad()});
    EXPECT_TRUE(result.ok) << result.message;
  }
}

TEST(Slice, Errors) {
  const Tensor x = random_tensor({2, 3}, 1);
  expect_error<ShapeError>([&] { slice(x, Axis::channels, 0, 4); }, {"[slice]", "end 4", "(2,3)"});
  expect_error<ShapeError>([&] { slice(x, Axis::channels, -1, 2); }, {"[slice]", "begin -1"});
  expect_error<ShapeError>([&] { slice(x, Axis::batch, 1, 1); }, {"[slice]", "begin 1, end 1"});
  expect_error<ShapeError>([&] { slice(x, Axis::width, 0, 1); }, {"[slice]", "width", "(2,3)"});
}

TEST(Concat, SlicesComeBack) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
    for (const Shape& shape : {Shape{5, 7}, Shape{3, 4, 5}, Shape{2, 5, 3, 4}}) {
      const std::vector<Axis> axes = axes_of_rank(static_cast<int>(shape.size()));
      for (std::size_t i = 0; i < axes.size(); ++i) {
        std::vector<Tensor> parts;
        std::int64_t total = 0;
        for (const std::int64_t size : {2, 1, 4}) {
          Shape part = shape;
          part[i] = size;
          parts.push_back(random_tensor(part, static_cast<std::uint64_t>(size), dtype));
          total += size;
        }
        const Tensor y = concat(parts, axes[i]);
        Shape expected = shape;
        expected[i] = total;
        ASSERT_EQ(y.shape(), expected);
        expect_same_bits(slice(y, axes[i], 0, 2), parts[0]);
        expect_same_bits(slice(y, axes[i], 2, 3), parts[1]);
        expect_same_bits(slice(y, axes[i], 3, 7), parts[2]);
      }
    }
  }
}

TEST(Concat, OfLabelsAndOfOne) {
  const Tensor a = Tensor::from({2, 1}, std::vector<std::int64_t>{1, 2});
  const Tensor b = Tensor::from({1, 1}, std::vector<std::int64_t>{3});
  EXPECT_EQ(concat({a, b}, Axis::batch).to_vector(), (std::vector<double>{1, 2, 3}));
  expect_same_bits(concat({a}, Axis::batch), a);
}

TEST(Concat, Gradients) {
  for (const Axis axis : axes_of_rank(3)) {
    for (const int wanted : {1, 2, 3}) {
      Tensor a = random_tensor({2, 2, 2}, 1);
      Tensor b = random_tensor({2, 2, 2}, 2);
      a.set_requires_grad((wanted & 1) != 0);
      b.set_requires_grad((wanted & 2) != 0);
      const GradcheckResult result = gradcheck(
          [&](const std::vector<Tensor>& in) {
            return concat({in[0], in[1], in[0]}, axis);
          },
          {a, b});
      EXPECT_TRUE(result.ok) << result.message;
    }
  }
}

TEST(Concat, Errors) {
  const Tensor x = random_tensor({2, 3}, 1);
  expect_error<ShapeError>([&] { concat({}, Axis::batch); }, {"[concat]", "at least one"});
  expect_error<ShapeError>(
      [&] {
        concat({x, random_tensor({2, 4}, 1)}, Axis::batch);
      },
      {"[concat]", "(2,3) and (2,4)"});
  expect_error<ShapeError>([&] { concat({x, random_tensor({2, 3, 1}, 1)}, Axis::batch); }, {"[concat]", "(2,3,1)"});
  expect_error<ShapeError>(
      [&] {
        concat({x, random_tensor({2, 3}, 1, DType::f32)}, Axis::batch);
      },
      {"[concat]", "f64", "f32"});
  expect_error<ShapeError>([&] { concat({x}, Axis::height); }, {"[concat]", "height"});
}

TEST(Concat, BitsDoNotDependOnThreads) {
  expect_same_bits_with_threads([] {
    Tensor a = random_tensor({700, 33}, 1, DType::f32);
    Tensor b = random_tensor({700, 129}, 2, DType::f32);
    a.set_requires_grad();
    b.set_requires_grad();
    const Tensor y = slice(concat({a, b, a}, Axis::channels), Axis::batch, 3, 690);
    y.backward(random_tensor(y.shape(), 3, DType::f32));
    return std::vector<Tensor>{y, a.grad(), b.grad()};
  });
}

TEST(Take, IsElementByElement) {
  Tensor x = random_tensor({2, 3}, 1);
  x.set_requires_grad();
  const Tensor index = Tensor::from({2, 2, 2}, std::vector<std::int64_t>{5, 0, 0, 3, 1, 5, 5, 2});
  const auto taken = [&](const std::vector<Tensor>& in) { return take(in[0], index); };
  const std::vector<double> values = x.to_vector();
  EXPECT_EQ(taken({x}).shape(), index.shape());
  EXPECT_EQ(taken({x}).to_vector(), (std::vector<double>{values[5], values[0], values[0], values[3], values[1],
                                                         values[5], values[5], values[2]}));
  const GradcheckResult result = gradcheck(taken, {x});
  EXPECT_TRUE(result) << result.message;
  const Tensor none = Tensor::empty({0, 3}, DType::i64);
  EXPECT_EQ(take(x, none).shape(), none.shape());
}

TEST(Take, Errors) {
  const Tensor x = random_tensor({2, 3}, 1);
  for (const std::int64_t place : {-1, 6}) {
    expect_error<ShapeError>([&] { take(x, Tensor::from({1}, std::vector<std::int64_t>{place})); },
                             {"[take]", "(2,3)", std::to_string(place)});
  }
  expect_error<std::invalid_argument>([&] { take(x, x); }, {"[take]", "i64"});
}

}  // namespace
}  // namespace striate

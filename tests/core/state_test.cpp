#include "core/state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "core/parallel.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::random_tensor;

std::int64_t flat(const Shape& shape, const Shape& index) {
  std::int64_t at = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) at = at * shape[axis] + index[axis];
  return at;
}

/// Checks y[i_0, ..., i_n] == x[j] with j[axes[k]] = i_k for every element, one index at a time.
template <class T>
void expect_permuted(const Tensor& x, const Tensor& y, const std::vector<int>& axes) {
  Shape shape;
  for (const int axis : axes) shape.push_back(x.size(axis));
  ASSERT_EQ(y.shape(), shape);
  ASSERT_EQ(y.dtype(), x.dtype());
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    Shape to(axes.size());
    Shape from(axes.size());
    std::int64_t rest = i;
    for (std::size_t k = axes.size(); k-- > 0;) {
      to[k] = rest % shape[k];
      rest /= shape[k];
      from[static_cast<std::size_t>(axes[k])] = to[k];
    }
    ASSERT_EQ(y.data<T>()[flat(shape, to)], x.data<T>()[flat(x.shape(), from)]) << to_string(to);
  }
}

template <class T>
void check_all_permutations(const Shape& shape) {
  Tensor x = Tensor::empty(shape, DTypeOf<T>::value);
  std::iota(x.mutable_data<T>(), x.mutable_data<T>() + x.numel(), T{});
  std::vector<int> axes(shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  do {
    const Tensor y = to_file_layout(x, axes);
    expect_permuted<T>(x, y, axes);
    const Tensor back = from_file_layout(y, axes);
    ASSERT_EQ(back.shape(), x.shape());
    ASSERT_EQ(back.to_vector(), x.to_vector());
  } while (std::next_permutation(axes.begin(), axes.end()));
}

TEST(FileLayout, AnyPermutationThereAndBack) {
  check_all_permutations<float>({2, 3, 4, 5});
  check_all_permutations<double>({3, 1, 2});
  check_all_permutations<std::int64_t>({4, 7});
  check_all_permutations<std::uint8_t>({2, 0, 3});
  check_all_permutations<float>({5});
  check_all_permutations<float>({});
  check_all_permutations<float>({2, 3, 2, 3, 2});
}

TEST(FileLayout, LargeTensorsSameBitsWithAnyThreads) {
  const Tensor x = random_tensor({3, 3, 64, 130}, 1, DType::f32);  // more than a chunk
  const int before = num_threads();
  set_num_threads(3);
  const Tensor y = to_file_layout(x, {3, 2, 0, 1});
  set_num_threads(before);
  expect_permuted<float>(x, y, {3, 2, 0, 1});
}

TEST(FileLayout, SharesMemoryWhereNothingMoves) {
  const Tensor x = random_tensor({2, 3}, 1);
  EXPECT_EQ(to_file_layout(x, {}).raw(), x.raw());
  EXPECT_EQ(to_file_layout(x, {0, 1}).raw(), x.raw());
  EXPECT_EQ(from_file_layout(x, {}).raw(), x.raw());
}

TEST(FileLayout, RefusesWhatIsNoPermutation) {
  const Tensor x = Tensor::zeros({2, 3});
  for (const std::vector<int>& axes : {std::vector<int>{0}, {0, 0}, {1, 2}, {-1, 0}, {0, 1, 2}}) {
    expect_error<std::invalid_argument>([&] { to_file_layout(x, axes); }, {"[to_file_layout]", "2 axes of (2,3)"});
    expect_error<std::invalid_argument>([&] { from_file_layout(x, axes); }, {"[from_file_layout]", "(2,3)"});
  }
}

struct Inner : Module {
  Inner(Module& parent, const std::string& name, DType dtype) : Module(parent, name) {
    add_parameter("weight", weight, random_tensor({2, 3, 4, 5}, 1, dtype), {3, 2, 0, 1});
    add_parameter("bias", bias, random_tensor({5}, 2, dtype));
    add_buffer("running_mean", mean, random_tensor({5}, 3, dtype));
    add_buffer("count", count, Tensor::from<std::int64_t>({}, {3}));
  }
  Tensor weight, bias, mean, count;
};

struct Outer : Module {
  explicit Outer(DType dtype = DType::f32) {
    add_parameter("scale", scale, random_tensor({2, 3}, 4, dtype), {1, 0});
    inner = std::make_unique<Inner>(*this, "inner", dtype);
  }
  Tensor scale;
  std::unique_ptr<Inner> inner;
};

std::vector<double> values_of(const Module& module) {
  std::vector<double> all;
  for (const NamedTensor& named : named_state(module)) {
    const std::vector<double> values = named.value.to_vector();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void fill(Module& module, double value) {
  for (NamedTensor& named : named_state(module)) {
    named.value.copy_from(Tensor::full(named.value.shape(), value, named.value.dtype()));
  }
}

TEST(State, HasPyTorchsNamesAndShapes) {
  const Outer module;
  std::vector<std::string> names;
  std::vector<Shape> shapes;
  for (const auto& [name, tensor] : state_of(module)) {
    names.push_back(name);
    shapes.push_back(tensor.shape());
    EXPECT_FALSE(tensor.requires_grad());
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"scale", "inner.weight", "inner.bias", "inner.running_mean", "inner.count"}));
  EXPECT_EQ(shapes, (std::vector<Shape>{{3, 2}, {5, 4, 2, 3}, {5}, {5}, {}}));
}

TEST(State, LoadRestoresInPlaceAndInAnyOrder) {
  Outer from;
  Outer to;
  fill(to, 9);
  const void* memory = to.inner->weight.raw();
  FileState state = state_of(from);
  std::reverse(state.begin(), state.end());
  load_state(to, state);
  EXPECT_EQ(values_of(to), values_of(from));
  EXPECT_EQ(to.inner->weight.raw(), memory);
  EXPECT_TRUE(to.inner->weight.requires_grad());
}

TEST(State, LoadConvertsFloats) {
  for (const DType from_dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    for (const DType to_dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      Outer from(from_dtype);
      fill(from, 3);  // exact in all of them
      Outer to(to_dtype);
      load_state(to, state_of(from));
      EXPECT_EQ(values_of(to), values_of(from));
      EXPECT_EQ(to.inner->weight.dtype(), to_dtype);
    }
  }
}

TEST(State, LoadListsAllProblemsAndChangesNothing) {
  Outer module;
  const std::vector<double> before = values_of(module);
  FileState state;
  state.emplace_back("scale", Tensor::zeros({2, 3}));  // memory order, not the file's
  state.emplace_back("inner.bias", Tensor::zeros({5}));
  state.emplace_back("inner.bias", Tensor::zeros({5}));
  state.emplace_back("inner.running_mean", Tensor::zeros({5}, DType::i64));
  state.emplace_back("inner.count", Tensor::zeros({}));
  state.emplace_back("head.weight", Tensor::zeros({7, 2}));
  expect_error<std::invalid_argument>(
      [&] { load_state(module, state); },
      {"[load_state]", "missing: inner.weight (5,4,2,3)", "unexpected: head.weight (7,2)",
       "mismatched: scale needs shape (3,2), got (2,3)", "repeated: inner.bias",
       "mismatched: inner.running_mean needs dtype f32, got i64", "mismatched: inner.count needs dtype i64, got f32"});
  EXPECT_EQ(values_of(module), before);
}

TEST(State, DtypesMayHaveToBeEqual) {
  const Outer f32;
  const Outer f64(DType::f64);
  EXPECT_EQ(state_problems(named_state(f32), state_of(f64), Dtypes::converted), "");
  const std::string problems = state_problems(named_state(f32), state_of(f64), Dtypes::equal);
  EXPECT_NE(problems.find("inner.weight needs dtype f32, got f64"), std::string::npos) << problems;
  EXPECT_EQ(problems.find("inner.count"), std::string::npos) << problems;
}

TEST(State, ACounterMayBeMissingInWeights) {
  Outer from;
  Outer to;
  fill(to, 9);
  FileState state = state_of(from);
  std::erase_if(state, [](const auto& named) { return named.first == "inner.count"; });
  load_state(to, state);
  EXPECT_EQ(to.inner->weight.to_vector(), from.inner->weight.to_vector());
  EXPECT_EQ(to.inner->count.item(), 9) << "its value stays";
  EXPECT_NE(state_problems(named_state(to), state, Dtypes::equal).find("missing: inner.count"), std::string::npos);
}

TEST(State, NamesAreFitForAMessage) {
  Outer module;
  FileState state = state_of(module);
  state.emplace_back("\x1b[2J", Tensor::zeros({1}));
  expect_error<std::invalid_argument>([&] { load_state(module, state); }, {"unexpected: \\x1b[2J (1)"});
}

TEST(State, ManyProblemsAreCounted) {
  Outer module;
  FileState state = state_of(module);
  for (int i = 0; i < 1000; ++i) state.emplace_back("other." + std::to_string(i), Tensor::zeros({1}));
  state[0].second = Tensor::zeros({1});
  const std::string problems = state_problems(named_state(module), state, Dtypes::converted);
  EXPECT_NE(problems.find("unexpected: other.9 (1)\n  and 990 more\n  mismatched: scale"), std::string::npos)
      << problems;
}

}  // namespace
}  // namespace striate

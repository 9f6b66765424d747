#include "core/autograd.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/elementwise.h"
#include "core/matmul.h"
#include "core/reduce.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

Tensor leaf(double value) { return Tensor::full({2}, value, DType::f64).set_requires_grad(); }

TEST(Autograd, AddsUpOverPathsAndCalls) {
  const Tensor x = leaf(3);
  const Tensor y = x * x + x;  // dy/dx = 2x + 1
  sum(y).backward();
  EXPECT_EQ(x.grad().to_vector(), (std::vector<double>{7, 7}));
  sum(x * 2).backward();
  EXPECT_EQ(x.grad().to_vector(), (std::vector<double>{9, 9}));
}

TEST(Autograd, OnlyWhatIsWantedGetsAGradient) {
  const Tensor x = leaf(3);
  const Tensor c = Tensor::full({2}, 5, DType::f64);
  sum(x * c).backward();
  EXPECT_EQ(x.grad().to_vector(), (std::vector<double>{5, 5}));
  EXPECT_FALSE(c.grad().defined());
  EXPECT_FALSE((c * c).requires_grad());
}

TEST(Autograd, GradientsOfLeavesShareNoMemory) {
  const Tensor a = leaf(1);
  const Tensor b = leaf(2);
  const Tensor dy = Tensor::full({2}, 1, DType::f64);
  (a + b).backward(dy);
  a.grad().mutable_data<double>()[0] = 100;
  EXPECT_EQ(b.grad().to_vector(), (std::vector<double>{1, 1}));
  EXPECT_EQ(dy.to_vector(), (std::vector<double>{1, 1}));
}

TEST(Autograd, NoGradGuardTurnsRecordingOff) {
  const Tensor x = leaf(1);
  {
    const NoGradGuard outer;
    { const NoGradGuard inner; }
    EXPECT_FALSE((x * x).requires_grad());
  }
  EXPECT_TRUE((x * x).requires_grad());
}

TEST(Autograd, SecondBackwardThrows) {
  const Tensor x = leaf(2);
  const Tensor y = sum(x * x);
  y.backward();
  const std::string message = message_of<std::logic_error>([&] { y.backward(); });
  EXPECT_NE(message.find("[sum] backward a second time"), std::string::npos) << message;
  // Through a new op on top of a part that is gone.
  const Tensor z = x * x;
  sum(z).backward();
  const std::string second = message_of<std::logic_error>([&] { sum(z * 2).backward(); });
  EXPECT_NE(second.find("[mul] backward a second time"), std::string::npos) << second;
}

TEST(Autograd, WritingToWhatWasSavedThrows) {
  Tensor x = leaf(2);
  const Tensor y = sum(x * x);
  x.mutable_data<double>()[0] = 5;
  const std::string message = message_of<std::logic_error>([&] { y.backward(); });
  EXPECT_NE(message.find("[mul] backward: a tensor (2) saved for backward was written to"), std::string::npos)
      << message;
}

TEST(Autograd, MisuseIsNamed) {
  const Tensor plain = Tensor::full({2}, 1);
  EXPECT_THROW(sum(plain).backward(), std::logic_error);
  EXPECT_THROW(leaf(1).backward(), ShapeError);
  EXPECT_THROW(Tensor::zeros({2}, DType::i64).set_requires_grad(), std::invalid_argument);
  const Tensor x = leaf(1);
  Tensor y = x * x;
  EXPECT_THROW(y.set_requires_grad(false), std::invalid_argument);
  EXPECT_THROW(y.set_grad(Tensor::full({2}, 1, DType::f64)), std::invalid_argument);
  EXPECT_THROW(y.backward(Tensor::full({3}, 1, DType::f64)), ShapeError);
  EXPECT_THROW(y.backward(Tensor::full({2}, 1, DType::f32)), ShapeError);
}

TEST(Autograd, DepthIsNoLimit) {
  const Tensor x = leaf(1);
  Tensor y = x;
  for (int i = 0; i < 200000; ++i) y = y + 0.0;
  sum(y).backward();
  EXPECT_EQ(x.grad().to_vector(), (std::vector<double>{1, 1}));
  Tensor unused = x;
  for (int i = 0; i < 200000; ++i) unused = unused + 0.0;
  unused = {};  // destroys a graph that no backward pass freed
}

TEST(Autograd, BackwardFreesWhatWasSaved) {
  Tensor w = Tensor::full({64, 64}, 0.01).set_requires_grad();
  const std::size_t before = allocator_stats().live_bytes;
  Tensor loss;
  {
    Tensor y = Tensor::full({64, 64}, 1);
    for (int i = 0; i < 8; ++i) y = matmul(y, w);
    loss = sum(y);
  }
  EXPECT_GT(allocator_stats().live_bytes, before + 8 * w.bytes());
  loss.backward();
  // What stays is the gradient and the loss.
  EXPECT_LT(allocator_stats().live_bytes, before + 2 * w.bytes());
}

TEST(Autograd, ATrainingLoopStopsAskingTheSystem) {
  Tensor w = Tensor::full({32, 32}, 0.01).set_requires_grad();
  const auto step = [&] {
    w.set_grad({});
    sum(matmul(matmul(Tensor::full({40, 32}, 1), w), w)).backward();
  };
  step();
  step();
  const auto requests = allocator_stats().system_requests;
  for (int i = 0; i < 5; ++i) step();
  EXPECT_EQ(allocator_stats().system_requests, requests);
}

// An op of a user's own, as the header describes it.
Tensor cube(const Tensor& x) {
  Tensor y = x.clone();
  {
    const NoGradGuard guard;
    y = x * x * x;
  }
  record("cube", y, {x}, [x = Saved(x)](Backward& bw) {
    if (bw.wants(0)) bw.add(0, bw.dy() * x.get() * x.get() * 3.0);
  });
  return y;
}

TEST(Autograd, AnOpOfOnesOwn) {
  const Tensor x = leaf(2);
  sum(cube(x)).backward();
  EXPECT_EQ(x.grad().to_vector(), (std::vector<double>{12, 12}));
}

// twice(x), which backward of later ops recomputes.
Tensor twice(const Tensor& x, int& calls) {
  Tensor y = affine(x.detach(), 2, 0);
  record("twice", y, {x}, [](Backward& bw) { bw.add(0, affine(bw.dy(), 2, 0)); });
  record_recomputation(y, Saved(x), [&calls](const Tensor& from) {
    ++calls;
    return affine(from, 2, 0);
  });
  return y;
}

TEST(Autograd, WhatIsRecomputedIsNotKept) {
  const Tensor x = Tensor::full({64, 64}, 0.5).set_requires_grad();
  const Tensor w = Tensor::full({64, 64}, 0.25).set_requires_grad();
  int calls = 0;
  Tensor loss;
  const std::size_t before = allocator_stats().live_bytes;
  {
    const Tensor y = twice(x, calls);
    loss = sum(matmul(y, w));
  }
  EXPECT_LT(allocator_stats().live_bytes, before + x.bytes());
  EXPECT_EQ(calls, 0);
  loss.backward();
  EXPECT_EQ(calls, 1);
  // dw = y' 1 and dx = 2 (1 w').
  EXPECT_EQ(w.grad().to_vector(), std::vector<double>(64 * 64, 64));
  EXPECT_EQ(x.grad().to_vector(), std::vector<double>(64 * 64, 2 * 64 * 0.25));
}

TEST(Autograd, BackwardFreesWhatItComputesFrom) {
  Tensor y;
  int calls = 0;
  const std::size_t before = allocator_stats().live_bytes;
  {
    const Tensor w = Tensor::full({64, 64}, 0.5).set_requires_grad();
    y = twice(w * 2, calls);
  }
  EXPECT_GE(allocator_stats().live_bytes, before + 2 * y.bytes());
  y.backward(Tensor::full({64, 64}, 1));
  EXPECT_LT(allocator_stats().live_bytes, before + 2 * y.bytes());
}

TEST(Autograd, AChainOfThemIsKept) {
  const Tensor x = leaf(1);
  int calls = 0;
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = twice(y, calls);
  sum(y * y).backward();
  EXPECT_LE(calls, 2);  // the last of them, for either factor
  for (int i = 0; i < 200000; ++i) y = twice(y, calls);
  y = {};  // and none of them dies inside another
}

TEST(Autograd, RecomputationKnowsAboutWrites) {
  const Tensor w = leaf(3);
  int calls = 0;
  // Written to before it is saved: what backward needs is no longer what would be computed.
  Tensor x = leaf(5);
  Tensor y = twice(x, calls);
  y.mutable_data<double>()[0] = 7;
  sum(y * w).backward();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(w.grad().to_vector(), (std::vector<double>{7, 10}));
  // Written to afterwards: what it was is recomputed.
  w.node()->grad = {};
  y = twice(x, calls);
  Tensor loss = sum(y * w);
  y.mutable_data<double>()[0] = 7;
  loss.backward();
  EXPECT_EQ(w.grad().to_vector(), (std::vector<double>{10, 10}));
  // What it would be computed from was written to.
  loss = sum(twice(x, calls) * w);
  x.mutable_data<double>()[0] = 1;
  EXPECT_THROW(loss.backward(), std::logic_error);
}

TEST(Autograd, MistakesInAnOpOfOnesOwnAreNamed) {
  const Tensor x = leaf(2);
  Tensor same = x;
  EXPECT_EQ(message_of<std::logic_error>([&] { record("same", same, {x}, [](Backward&) {}); }),
            "[same] the output already belongs to a graph; compute into a tensor of its own (clone())");
  Tensor y = x.clone();
  record("index", y, {x}, [](Backward& bw) { bw.add(1, bw.dy()); });
  EXPECT_EQ(message_of<std::logic_error>([&] { sum(y).backward(); }),
            "[index] backward: input 1 was asked for, record() was given 1");
  Tensor z = x.clone();
  record("shape", z, {x}, [](Backward& bw) { bw.add(0, Tensor::zeros({3}, DType::f64)); });
  EXPECT_EQ(message_of<ShapeError>([&] { sum(z).backward(); }),
            "[shape] a gradient must look like its tensor: tensor (2) f64, gradient (3) f64");
}

TEST(Autograd, AFailingClosureLeavesNothingBehind) {
  const Tensor x = leaf(2);
  Tensor bad = x.clone();
  record("bad", bad, {x}, [](Backward&) { throw std::runtime_error("no"); });
  EXPECT_THROW(sum(bad * 2).backward(), std::runtime_error);
  EXPECT_FALSE(x.grad().defined());
  sum(x * 3).backward();
  EXPECT_EQ(x.grad().to_vector(), (std::vector<double>{3, 3}));
}

// Wherever memory ends, forwards or backwards, there is an exception, and what there was of the graph goes.
TEST(Autograd, OutOfMemoryAnywhereIsAnException) {
  Tensor x = Tensor::full({4096}, 1).set_requires_grad();
  int failures = 0;
  for (std::size_t bytes = 0; bytes < (std::size_t{16} << 20U); bytes += 40'000) {
    const std::size_t live = allocator_stats().live_bytes;
    try {
      const AllocationLimit limit(bytes);
      Tensor y = x;
      for (int i = 0; i < 20; ++i) y = exp(log(y) * 2) + sqrt(y);
      sum(y).backward();
      break;
    } catch (const OutOfMemory& error) {
      ++failures;
      EXPECT_NE(std::string(error.what()).find("out of memory: "), std::string::npos);
    }
    x.set_grad({});
    EXPECT_EQ(allocator_stats().live_bytes, live);
  }
  EXPECT_GT(failures, 20);
  EXPECT_TRUE(x.grad().defined());
}

}  // namespace
}  // namespace striate

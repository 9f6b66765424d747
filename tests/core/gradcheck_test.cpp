#include "core/gradcheck.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::expect_same_bits;
using testing_support::random_tensor;

// y = x * x with a backward of one's choice.
using SquareBackward = std::function<void(const Tensor& x, Backward& bw)>;

Tensor square(const Tensor& x, SquareBackward backward) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  auto* values = y.mutable_data<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = x.data<double>()[i] * x.data<double>()[i];
  // The closure keeps the leaf itself, which only a wrong one needs.
  record("square", y, {x}, [x, backward = std::move(backward)](Backward& bw) { backward(x, bw); });
  return y;
}

Tensor right_gradient(const Tensor& x, const Backward& bw) { return bw.dy() * x.detach() * 2; }

GradcheckResult check_square(const SquareBackward& backward) {
  return gradcheck([&](const std::vector<Tensor>& in) { return square(in[0], backward); },
                   {random_tensor({2, 3}, 5, DType::f64, 0.5, 1).set_requires_grad()});
}

TEST(Gradcheck, PassesTheRightGradient) {
  const GradcheckResult result = check_square([](const Tensor& x, Backward& bw) { bw.add(0, right_gradient(x, bw)); });
  EXPECT_TRUE(result.ok) << result.message;
}

TEST(Gradcheck, CatchesOverwritingInsteadOfAdding) {
  const GradcheckResult result = check_square([](Tensor x, Backward& bw) { x.set_grad(right_gradient(x, bw)); });
  EXPECT_FALSE(result.ok);
}

TEST(Gradcheck, CatchesAddingNothing) {
  EXPECT_FALSE(check_square([](const Tensor& /*x*/, Backward& /*bw*/) {}).ok);
}

TEST(Gradcheck, CatchesAddingTwice) {
  EXPECT_FALSE(check_square([](const Tensor& x, Backward& bw) {
                 bw.add(0, right_gradient(x, bw));
                 bw.add(0, right_gradient(x, bw));
               }).ok);
}

TEST(Gradcheck, CatchesAWrongFactor) {
  EXPECT_FALSE(check_square([](const Tensor& x, Backward& bw) { bw.add(0, right_gradient(x, bw) * 1.01); }).ok);
  EXPECT_FALSE(check_square([](const Tensor& x, Backward& bw) { bw.add(0, -right_gradient(x, bw)); }).ok);
}

TEST(Gradcheck, CatchesIgnoringTheOutputsGradient) {
  EXPECT_FALSE(check_square([](const Tensor& x, Backward& bw) { bw.add(0, x.detach() * 2); }).ok);
}

TEST(Gradcheck, NamesTheMissingElement) {
  const GradcheckResult result = check_square([](const Tensor& x, Backward& bw) {
    Tensor dx = right_gradient(x, bw).clone();
    dx.mutable_data<double>()[4] = 0;
    bw.add(0, dx);
  });
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.message.find("input 0 at (1,1) of (2,3)"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find("analytic"), std::string::npos) << result.message;
}

TEST(Gradcheck, NamesTheWorstOfSeveral) {
  const GradcheckResult result = check_square([](const Tensor& x, Backward& bw) {
    Tensor dx = right_gradient(x, bw).clone();
    dx.mutable_data<double>()[0] += 1e-1;
    dx.mutable_data<double>()[2] += 1e3;
    dx.mutable_data<double>()[5] += 1;
    bw.add(0, dx);
  });
  EXPECT_NE(result.message.find("at (0,2)"), std::string::npos) << result.message;
}

TEST(Gradcheck, CatchesNan) {
  const GradcheckResult result = check_square([](const Tensor& x, Backward& bw) {
    Tensor dx = right_gradient(x, bw).clone();
    dx.mutable_data<double>()[2] = std::numeric_limits<double>::quiet_NaN();
    bw.add(0, dx);
  });
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.message.find("at (0,2)"), std::string::npos) << result.message;
}

TEST(Gradcheck, CatchesTheSecondInputAlone) {
  const auto wrong_product = [](const std::vector<Tensor>& in) {
    Tensor y = (in[0] * in[1]).detach();
    record("product", y, {in[0], in[1]}, [a = Saved(in[0]), b = Saved(in[1])](Backward& bw) {
      if (bw.wants(0)) bw.add(0, bw.dy() * b.get());
      if (bw.wants(1)) bw.add(1, bw.dy() * b.get());
    });
    return y;
  };
  Tensor a = random_tensor({3}, 1);
  Tensor b = random_tensor({3}, 2);
  const GradcheckResult result =
      gradcheck(wrong_product, {a.clone().set_requires_grad(), b.clone().set_requires_grad()});
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.message.find("input 1"), std::string::npos) << result.message;
  EXPECT_TRUE(gradcheck(wrong_product, {a.clone().set_requires_grad(), b}).ok);
}

TEST(Gradcheck, FailsWhereNothingWasRecorded) {
  const GradcheckResult result = gradcheck([](const std::vector<Tensor>& in) { return in[0].clone(); },
                                           {random_tensor({2}, 1).set_requires_grad()});
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.message.find("nothing was recorded"), std::string::npos) << result.message;
}

TEST(Gradcheck, OneTensorTwiceIsOneInput) {
  Tensor x = random_tensor({2, 2}, 3);
  x.set_requires_grad();
  const GradcheckResult result = gradcheck([](const std::vector<Tensor>& in) { return in[0] * in[1]; }, {x, x});
  EXPECT_TRUE(result.ok) << result.message;
}

TEST(Gradcheck, LeavesValuesAndGradientsAsTheyWere) {
  Tensor x = random_tensor({2, 2}, 3);
  const Tensor gradient = random_tensor({2, 2}, 4);
  const Tensor value = x.clone();
  x.set_requires_grad();
  EXPECT_TRUE(gradcheck([](const std::vector<Tensor>& in) { return exp(in[0]); }, {x}).ok);
  EXPECT_FALSE(x.grad().defined());
  x.set_grad(gradient.clone());
  EXPECT_TRUE(gradcheck([](const std::vector<Tensor>& in) { return exp(in[0]); }, {x}).ok);
  expect_close(x.grad(), gradient, 0, 0);
  expect_same_bits(x, value);
}

TEST(Gradcheck, WantsDoublePrecision) {
  const auto identity = [](const std::vector<Tensor>& in) { return affine(in[0], 1); };
  expect_error<std::invalid_argument>(
      [&] {
        gradcheck(identity, {random_tensor({2, 3}, 1, DType::f32).set_requires_grad()});
      },
      {"[gradcheck]", "f64", "f32", "(2,3)"});
  expect_error<std::invalid_argument>(
      [&] {
        gradcheck([](const std::vector<Tensor>& in) { return cast(in[0], DType::f32); },
                  {random_tensor({2, 3}, 1).set_requires_grad()});
      },
      {"[gradcheck]", "output", "f32"});
  expect_error<std::invalid_argument>(
      [&] {
        gradcheck(identity, {random_tensor({2, 3}, 1)});
      },
      {"at least one input that wants a gradient"});
}

}  // namespace
}  // namespace striate

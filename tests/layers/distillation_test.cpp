#include "layers/distillation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/gradcheck.h"
#include "tests/support/errors.h"
#include "tests/support/hashed.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::converted;
using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::hashed;
using testing_support::random_tensor;

Tensor logits_of(const char* name) {
  Tensor logits = hashed(name, {3, 4});
  auto* values = logits.mutable_data<double>();
  for (std::int64_t i = 0; i < logits.numel(); ++i) values[i] *= 4;
  return logits;
}

struct Reference {
  double temperature;
  double loss;
  std::vector<double> gradient;
};

// PyTorch in float64, with hashed() of tests/reference/hashed.py:
//   s = torch.tensor(4 * hashed("student", (3, 4)), requires_grad=True)
//   q = F.softmax(torch.tensor(4 * hashed("teacher", (3, 4))) / t, 1)
//   kl = F.kl_div(F.log_softmax(s / t, 1), q, reduction="batchmean")
//   loss = t * t * (kl - (q * q.log()).sum(1).mean()); loss.backward()
const std::vector<Reference>& references() {
  static const std::vector<Reference> values = {
      {1,
       2.132659592429681,
       {-0.007930650597767468, 0.009021778458392377, 2.8805003479349102e-05, -0.0011199328641042234, 0.135930184287735,
        -0.29323741947906923, 0.036678409931710655, 0.12062882525962354, -0.11540057470505191, -0.12894760890694698,
        -0.06139159509816834, 0.30573977871016716}},
      {4,
       23.106346379001813,
       {-0.1016122685991929, 0.08592151898501502, 0.022406779528045224, -0.006716029913867171, 0.15599146270161138,
        -0.4759716639747535, 0.16658140214995912, 0.15339879912318302, -0.15783372857973738, -0.11357076260775827,
        -0.18782576272434598, 0.45923025391184147}},
      {20,
       555.5435806848802,
       {-0.12832993264536063, 0.06952693778948185, 0.0525853174625571, 0.00621767739332185, 0.1074208786574046,
        -0.430508156853195, 0.21346682877396744, 0.10962044942182443, -0.1422324147907737, -0.08248740320765169,
        -0.23061854956154298, 0.45533836755997015}},
  };
  return values;
}

TEST(Distillation, IsPyTorchs) {
  for (const Reference& want : references()) {
    Tensor student = logits_of("student");
    student.set_requires_grad();
    const Tensor loss = distillation_loss(student, logits_of("teacher"), want.temperature);
    EXPECT_NEAR(loss.item(), want.loss, 1e-14 * want.loss);
    loss.backward();
    // T^2 times a gradient of rounding errors near 1e-16 / T.
    expect_close(student.grad(), Tensor::from({3, 4}, want.gradient), 1e-15 * want.temperature, 0);
  }
}

TEST(Distillation, Gradcheck) {
  for (const double temperature : {0.5, 1.0, 4.0, 20.0}) {
    for (const Shape& shape : std::vector<Shape>{{1, 1}, {5, 7}}) {
      Tensor student = random_tensor(shape, 1, DType::f64, -2, 2);
      student.set_requires_grad();
      const Tensor teacher = random_tensor(shape, 2, DType::f64, -2, 2);
      const auto f = [&](const std::vector<Tensor>& in) { return distillation_loss(in[0], teacher, temperature); };
      const GradcheckResult result = gradcheck(f, {student});
      EXPECT_TRUE(result) << result.message;
    }
  }
}

TEST(Distillation, TheTeacherGetsNoGradient) {
  Tensor student = logits_of("student");
  Tensor teacher = logits_of("teacher");
  teacher.set_requires_grad();
  EXPECT_FALSE(distillation_loss(student, teacher, 4).requires_grad());
  student.set_requires_grad();
  distillation_loss(student, teacher, 4).backward();
  EXPECT_TRUE(student.grad().defined());
  EXPECT_FALSE(teacher.grad().defined());
}

TEST(Distillation, LowerPrecisionsComputeInFloat) {
  constexpr double eps = std::numeric_limits<float>::epsilon();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const double temperature : {1.0, 4.0, 20.0}) {
      Tensor low = converted(logits_of("student"), dtype);
      Tensor exact = converted(low, DType::f64);
      low.set_requires_grad();
      exact.set_requires_grad();
      const Tensor teacher = converted(logits_of("teacher"), dtype);
      const Tensor loss = distillation_loss(low, teacher, temperature);
      EXPECT_EQ(loss.dtype(), DType::f32);
      const Tensor truth = distillation_loss(exact, converted(teacher, DType::f64), temperature);
      // Probabilities and their logarithms, of 4 classes and at most 8 + log 4, are within a few roundings each.
      expect_close(loss, truth, 8 * 10 * eps * temperature * temperature, 0);
      loss.backward();
      truth.backward();
      EXPECT_EQ(low.grad().dtype(), dtype);
      // T^2 / T times differences of probabilities, off by a few roundings of at most 8; then bf16's own rounding.
      expect_close(low.grad(), exact.grad(), 32 * eps * temperature, dtype == DType::bf16 ? 1.0 / 256 : 0);
    }
  }
}

TEST(Distillation, RefusesWhatDoesNotFit) {
  const Tensor logits = random_tensor({3, 4}, 1);
  expect_error<ShapeError>(
      [&] {
        distillation_loss(logits, random_tensor({3, 5}, 1), 1);
      },
      {"[distillation_loss]", "student (3,4)", "teacher (3,5)"});
  expect_error<ShapeError>([] { distillation_loss(random_tensor({3}, 1), random_tensor({3}, 1), 1); }, {"(N,K)"});
  for (const double bad : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    expect_error<std::invalid_argument>([&] { distillation_loss(logits, logits, bad); }, {"temperature above 0"});
  }
}

}  // namespace
}  // namespace striate

#include "layers/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/gradcheck.h"
#include "layers/softmax.h"
#include "tests/support/hashed.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::random_tensor;
using testing_support::rounding;

struct Case {
  std::int64_t n, k;
  bool probabilities, weighted;
  double smoothing;
  Reduction reduction;
  std::int64_t ignore_index;
  SmoothingForm form;
};

/// All options together with each other.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t k : {1, 2, 7}) {
    for (const bool probabilities : {false, true}) {
      for (const bool weighted : {false, true}) {
        for (const double smoothing : {0.0, 0.1, 1.0}) {
          for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
            for (const SmoothingForm form : {SmoothingForm::pytorch, SmoothingForm::paper}) {
              all.push_back({5, k, probabilities, weighted, smoothing, reduction, k == 7 ? 3 : -100, form});
            }
          }
        }
      }
    }
  }
  return all;
}

Tensor target_of(const Case& c) {
  if (c.probabilities) return softmax(random_tensor({c.n, c.k}, 7, DType::f64, -2, 2));
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < c.n; ++i) labels.push_back((3 * i + 3) % c.k);
  return Tensor::from({c.n}, labels);
}

CrossEntropyOptions options_of(const Case& c) {
  return {.label_smoothing = c.smoothing,
          .form = c.form,
          .reduction = c.reduction,
          .ignore_index = c.ignore_index,
          .weight = c.weighted ? random_tensor({c.k}, 8, DType::f64, 0.5, 2) : Tensor()};
}

/// Of a class whose target is t before smoothing.
double smoothed(double t, const Case& c) {
  const double e = c.smoothing;
  const auto k = static_cast<double>(c.k);
  if (c.form == SmoothingForm::paper && c.k > 1) return t * (1 - e) + (1 - t) * e / (k - 1);
  return (1 - e) * t + e / k;
}

/// The formulas of the header, term by term.
std::vector<double> reference(const Tensor& logits, const Case& c) {
  const std::vector<double> x = logits.to_vector();
  const std::vector<double> target = target_of(c).to_vector();
  const std::vector<double> weight =
      c.weighted ? options_of(c).weight.to_vector() : std::vector<double>(static_cast<std::size_t>(c.k), 1.0);
  std::vector<double> losses;
  double divisor = 0;
  const auto k = static_cast<std::size_t>(c.k);
  for (std::size_t i = 0; i < static_cast<std::size_t>(c.n); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < k; ++j) sum += std::exp(x[i * k + j]);
    const auto log_p = [&](std::size_t j) { return x[i * k + j] - std::log(sum); };
    double loss = 0;
    const bool ignored = !c.probabilities && target[i] == static_cast<double>(c.ignore_index);
    for (std::size_t j = 0; j < k && !ignored; ++j) {
      const double t = c.probabilities ? target[i * k + j] : (target[i] == static_cast<double>(j) ? 1.0 : 0.0);
      loss -= weight[j] * smoothed(t, c) * log_p(j);
    }
    losses.push_back(loss);
    if (c.probabilities) {
      divisor += 1;
    } else if (!ignored) {
      divisor += weight[static_cast<std::size_t>(target[i])];
    }
  }
  if (c.reduction == Reduction::none) return losses;
  double total = 0;
  for (const double loss : losses) total += loss;
  return {c.reduction == Reduction::mean ? total / divisor : total};
}

Shape shape_of(const Case& c) { return c.reduction == Reduction::none ? Shape{c.n} : Shape{}; }

TEST(CrossEntropy, IsItsDefinitionForAllOptions) {
  for (const Case& c : cases()) {
    const Tensor logits = random_tensor({c.n, c.k}, 6, DType::f64, -4, 4);
    const Tensor loss = cross_entropy(logits, target_of(c), options_of(c));
    expect_close(loss, Tensor::from(shape_of(c), reference(logits, c)), 1e-14, 1e-13);
  }
}

// PyTorch in float64, with hashed() and hashed_below() of tests/reference/hashed.py:
//   x = torch.tensor(4 * hashed("logits", (3, 4)), requires_grad=True)
//   y = torch.tensor(hashed_below("labels", 3, 4))
//   q = torch.full((3, 4), 0.1 / 3, dtype=torch.float64).scatter(1, y[:, None], 0.9)
//   loss = F.cross_entropy(x, q); loss.backward()
TEST(CrossEntropy, ThePapersSmoothingIsPyTorchWithItsTargets) {
  Tensor logits = testing_support::hashed("logits", {3, 4});
  for (std::int64_t i = 0; i < 12; ++i) logits.mutable_data<double>()[i] *= 4;
  logits.set_requires_grad();
  const Tensor loss = cross_entropy(logits, testing_support::hashed_below("labels", 3, 4),
                                    {.label_smoothing = 0.1, .form = SmoothingForm::paper});
  EXPECT_NEAR(loss.item(), 3.995026990261607, 1e-14);
  loss.backward();
  const std::vector<double> gradient = {0.12209900363064778,   0.18459109252087252,  -0.2958347079411375,
                                        -0.010855388210382805, -0.29213944931669983, -0.010858936771419369,
                                        -0.008960081139732784, 0.3119584672278521,   0.0505618501086894,
                                        0.16337989919479462,   -0.29538446893788844, 0.08144271963440443};
  expect_close(logits.grad(), Tensor::from({3, 4}, gradient), 1e-15, 0);
}

TEST(CrossEntropy, Gradcheck) {
  for (const Case& c : cases()) {
    Tensor logits = random_tensor({c.n, c.k}, 6, DType::f64, -2, 2);
    logits.set_requires_grad();
    const auto f = [&](const std::vector<Tensor>& in) { return cross_entropy(in[0], target_of(c), options_of(c)); };
    const GradcheckResult result = gradcheck(f, {logits});
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(CrossEntropy, LowerPrecisionsComputeInFloat) {
  for (const Case& c : cases()) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      constexpr double eps = std::numeric_limits<float>::epsilon();
      Tensor low = random_tensor({c.n, c.k}, 6, dtype, -2, 2);
      Tensor exact = Tensor::empty(low.shape(), DType::f64);
      exact.copy_from(low);
      low.set_requires_grad();
      exact.set_requires_grad();
      const Tensor loss = cross_entropy(low, target_of(c), options_of(c));
      EXPECT_EQ(loss.dtype(), DType::f32);
      const Tensor truth = cross_entropy(exact, target_of(c), options_of(c));
      // Logits within 2, weights within 2: no term exceeds 2 * (4 + log 7), and there are 35.
      expect_close(loss, truth, 35 * 12 * eps, 4 * eps);
      loss.backward(Tensor::full(shape_of(c), 1));
      truth.backward(Tensor::full(shape_of(c), 1, DType::f64));
      EXPECT_EQ(low.grad().dtype(), dtype);
      expect_close(low.grad(), exact.grad(), 32 * eps + rounding(dtype).atol, rounding(dtype).rtol);
    }
  }
}

TEST(CrossEntropy, StaysFiniteWhereProbabilitiesVanish) {
  Tensor logits = Tensor::from<float>({2, 2}, {0, 1e4F, -1e4F, 1e4F});
  logits.set_requires_grad();
  const Tensor loss = cross_entropy(logits, Tensor::from<std::int64_t>({2}, {0, 1}));
  EXPECT_EQ(loss.item(), 5000);
  loss.backward();
  EXPECT_EQ(logits.grad().to_vector(), (std::vector<double>{-0.5, 0.5, 0, 0}));
  const Tensor masked = Tensor::from<float>({1, 2}, {0, -std::numeric_limits<float>::infinity()});
  EXPECT_EQ(cross_entropy(masked, Tensor::from<std::int64_t>({1}, {0})).item(), 0);
}

TEST(CrossEntropy, AllIgnoredIsNotANumberAsInPyTorch) {
  const Tensor logits = random_tensor({2, 3}, 1);
  const Tensor labels = Tensor::from<std::int64_t>({2}, {-100, -100});
  EXPECT_TRUE(std::isnan(cross_entropy(logits, labels).item()));
  EXPECT_EQ(cross_entropy(logits, labels, {.reduction = Reduction::sum}).item(), 0);
}

/// Labels of every class, and one that is ignored.
const Tensor pixel_labels = Tensor::from<std::int64_t>({2, 2, 3}, {0, 1, 2, 3, 0, -100, 1, 1, 2, 3, 3, 0});

TEST(CrossEntropy, PixelsAreRows) {
  Tensor logits = random_tensor({2, 2, 3, 4}, 1, DType::f64);
  const Tensor rows = logits.viewed_as({12, 4});
  const CrossEntropyOptions options{.label_smoothing = 0.1, .weight = random_tensor({4}, 8, DType::f64, 0.5, 2)};
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    CrossEntropyOptions of_case = options;
    of_case.reduction = reduction;
    const Tensor loss = cross_entropy(logits, pixel_labels, of_case);
    EXPECT_EQ(loss.shape(), reduction == Reduction::none ? (Shape{2, 2, 3}) : Shape{});
    EXPECT_EQ(loss.to_vector(), cross_entropy(rows, pixel_labels.viewed_as({12}), of_case).to_vector());
    logits.set_requires_grad();
    const auto f = [&](const std::vector<Tensor>& in) { return cross_entropy(in[0], pixel_labels, of_case); };
    const GradcheckResult result = gradcheck(f, {logits});
    EXPECT_TRUE(result) << result.message;
    logits = logits.detach();
  }
  const Tensor probabilities = random_tensor({2, 2, 3, 4}, 3, DType::f64, 0, 1);
  EXPECT_EQ(cross_entropy(logits, probabilities).item(), cross_entropy(rows, probabilities.viewed_as({12, 4})).item());
  EXPECT_EQ(count_correct(logits, pixel_labels), count_correct(rows, pixel_labels.viewed_as({12})));
  EXPECT_THROW(cross_entropy(logits, Tensor::zeros({2, 3, 2}, DType::i64)), ShapeError);
  EXPECT_THROW(cross_entropy(logits, Tensor::zeros({12}, DType::i64)), ShapeError);
  EXPECT_THROW(cross_entropy(logits, Tensor::zeros({2, 2, 3}, DType::f64)), ShapeError);
  EXPECT_THROW(count_correct(logits, Tensor::zeros({12}, DType::i64)), ShapeError);
  EXPECT_THROW(cross_entropy(logits, Tensor::full({2, 2, 3}, 4, DType::i64)), std::out_of_range);
}

TEST(CrossEntropy, NamesALabelOutOfRange) {
  const Tensor logits = random_tensor({3, 4}, 1);
  for (const std::int64_t label : {std::int64_t{4}, std::int64_t{-1}}) {
    try {
      static_cast<void>(cross_entropy(logits, Tensor::from<std::int64_t>({3}, {0, label, 1})));
      ADD_FAILURE() << "nothing thrown";
    } catch (const std::out_of_range& error) {
      EXPECT_EQ(error.what(),
                "[cross_entropy] labels must be in 0 .. 3 for 4 classes: label 1 is " + std::to_string(label));
    }
  }
}

TEST(CrossEntropy, RejectsWhatDoesNotFit) {
  const Tensor logits = random_tensor({3, 4}, 1);
  const Tensor labels = Tensor::zeros({3}, DType::i64);
  EXPECT_THROW(cross_entropy(random_tensor({3}, 1), labels), ShapeError);
  EXPECT_THROW(cross_entropy(logits, Tensor::zeros({4}, DType::i64)), ShapeError);
  EXPECT_THROW(cross_entropy(logits, random_tensor({3, 3}, 1)), ShapeError);
  EXPECT_THROW(cross_entropy(logits, labels, {.weight = random_tensor({3}, 1)}), ShapeError);
  EXPECT_THROW(cross_entropy(logits, Tensor::zeros({3}, DType::u8)), std::invalid_argument);
  EXPECT_THROW(cross_entropy(logits, labels, {.label_smoothing = 1.5}), std::invalid_argument);
  EXPECT_THROW(cross_entropy(logits, labels, {.label_smoothing = std::nan("")}), std::invalid_argument);
  EXPECT_THROW(cross_entropy(logits, labels, {.weight = Tensor::zeros({4}, DType::i64)}), std::invalid_argument);
}

TEST(CountCorrect, TakesTheFirstOfEqualValues) {
  const Tensor logits = Tensor::from<float>({4, 3}, {0, 1, 1, 5, 5, 5, -3, -2, -1, 0, 2, 1});
  EXPECT_EQ(count_correct(logits, Tensor::from<std::int64_t>({4}, {1, 0, 2, 1})), 4);
  EXPECT_EQ(count_correct(logits, Tensor::from<std::int64_t>({4}, {2, 1, 2, 0})), 1);
  EXPECT_THROW(count_correct(logits, Tensor::zeros({3}, DType::i64)), ShapeError);
}

}  // namespace
}  // namespace striate

#include "core/gradcheck.h"

#include <cmath>
#include <cstdint>
#include <sstream>

#include "core/autograd.h"
#include "core/check.h"
#include "core/elementwise.h"
#include "core/random.h"

namespace striate {
namespace {

// Values away from zero in (-1.5,-0.5] or [0.5,1.5): a weight near zero would hide an error.
Tensor random_weights(const Shape& shape, const RandomStream& stream) {
  Tensor weights = Tensor::empty(shape, DType::f64);
  auto* values = weights.mutable_data<double>();
  for (std::int64_t i = 0; i < weights.numel(); ++i) {
    const double value = 2 * stream.uniform(static_cast<std::uint64_t>(i)) - 1;
    values[i] = value + (value < 0 ? -0.5 : 0.5);
  }
  return weights;
}

Shape unravel(std::int64_t place, const Shape& shape) {
  Shape index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = place % shape[axis];
    place /= shape[axis];
  }
  return index;
}

void check_inputs(const std::vector<Tensor>& inputs) {
  bool any = false;
  for (const Tensor& input : inputs) {
    if (!input.requires_grad()) continue;
    any = true;
    expect(input.dtype() == DType::f64, "gradcheck", "f64 where an input wants a gradient",
           to_string(input.dtype()) + " " + to_string(input.shape()));
  }
  expect(any, "gradcheck", "at least one input that wants a gradient", "none");
}

// What one backward pass added to the gradient of every input; undefined for inputs that require none. The
// inputs get back the gradients they came with.
std::vector<Tensor> analytic_gradients(const Tensor& y, const Tensor& weights, std::vector<Tensor>& inputs,
                                       const RandomStream& stream) {
  std::vector<Tensor> before;
  for (const Tensor& input : inputs) before.push_back(input.grad());
  for (Tensor& input : inputs) {
    if (input.requires_grad()) input.set_grad(random_weights(input.shape(), stream));
  }
  y.backward(weights);
  std::vector<Tensor> added(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].requires_grad()) added[i] = inputs[i].grad() - random_weights(inputs[i].shape(), stream);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].requires_grad()) inputs[i].set_grad(before[i]);
  }
  return added;
}

// Central difference of sum(weights * f) along one element. Differences are taken before the sum, which keeps
// the terms that do not depend on the element from drowning the others.
double numeric_derivative(const std::function<Tensor(const std::vector<Tensor>&)>& f, std::vector<Tensor>& inputs,
                          std::size_t input, std::int64_t place, const Tensor& weights, double eps) {
  const double middle = inputs[input].data<double>()[place];
  const double above = middle + eps;
  const double below = middle - eps;
  inputs[input].mutable_data<double>()[place] = above;
  const Tensor high = f(inputs).clone();  // a copy: the output may share memory with the input
  inputs[input].mutable_data<double>()[place] = below;
  const Tensor low = f(inputs).clone();
  inputs[input].mutable_data<double>()[place] = middle;
  double total = 0;
  for (std::int64_t i = 0; i < weights.numel(); ++i) {
    total += weights.data<double>()[i] * (high.data<double>()[i] - low.data<double>()[i]);
  }
  return total / (above - below);
}

std::string describe(std::size_t input, std::int64_t place, const Shape& shape, double analytic, double numeric) {
  std::ostringstream text;
  text.precision(10);
  text << "input " << input << " at " << to_string(unravel(place, shape)) << " of " << to_string(shape) << ": analytic "
       << analytic << ", numeric " << numeric;
  return text.str();
}

}  // namespace

GradcheckResult gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f, std::vector<Tensor> inputs,
                          const GradcheckOptions& options) {
  check_inputs(inputs);
  const Tensor y = f(inputs);
  expect(y.dtype() == DType::f64, "gradcheck", "an output in f64", to_string(y.dtype()) + " " + to_string(y.shape()));
  if (!y.requires_grad()) return {false, "the output does not require a gradient: nothing was recorded"};
  const Tensor weights = random_weights(y.shape(), random_stream(options.seed, RandomUse::test, 0));
  const std::vector<Tensor> analytic =
      analytic_gradients(y, weights, inputs, random_stream(options.seed, RandomUse::test, 1));

  const NoGradGuard no_grad;
  GradcheckResult result;
  double worst_ratio = 1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!analytic[i].defined()) continue;
    for (std::int64_t place = 0; place < inputs[i].numel(); ++place) {
      const double expected = numeric_derivative(f, inputs, i, place, weights, options.eps);
      const double found = analytic[i].data<double>()[place];
      const double ratio = std::abs(found - expected) / (options.atol + options.rtol * std::abs(expected));
      if (ratio <= worst_ratio) continue;  // false for a NaN
      result = {false, describe(i, place, inputs[i].shape(), found, expected)};
      if (std::isnan(ratio)) return result;
      worst_ratio = ratio;
    }
  }
  return result;
}

}  // namespace striate

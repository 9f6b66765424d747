#pragma once
// Gradient checking: autograd against central differences, in double precision. Every op's test calls it.

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace striate {

struct GradcheckOptions {
  double eps = 1e-6;
  double atol = 1e-5;
  double rtol = 1e-3;
  std::uint64_t seed = 0;  ///< of the random weights of the outputs
};

struct GradcheckResult {
  bool ok = true;
  /// Names the worst element: which input, its index, the analytic and the numeric derivative.
  std::string message;
  explicit operator bool() const { return ok; }
};

/// Checks d(sum of random weights * f(inputs)) / d(inputs) for every input that requires a gradient; all of
/// those must be f64. Gradients are filled beforehand, to prove that backward adds. f must be a function of
/// the values of `inputs` alone. Throws std::invalid_argument for other dtypes.
GradcheckResult gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f, std::vector<Tensor> inputs,
                          const GradcheckOptions& options = {});

}  // namespace striate

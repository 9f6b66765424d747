#pragma once
// Whole networks and blocks against PyTorch's numbers: what tests/reference/nets.py writes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/module.h"
#include "core/safetensors.h"
#include "core/state.h"
#include "tests/support/hashed.h"

namespace striate::testing_support {

/// The first values of the reference, whose names are those below the module.
inline void start(Module& module, const std::string& name) {
  module.to(DType::f64);
  module.train();
  FileState state = state_of(module);
  for (auto& [key, tensor] : state) {
    if (key.ends_with("num_batches_tracked")) continue;
    Tensor value = hashed(name + "." + key, tensor.shape());
    const Shape& shape = value.shape();
    const double fan_in = static_cast<double>(value.numel()) / static_cast<double>(shape[0]);
    const double offset = key.ends_with("weight") || key.ends_with("running_var") ? 1 : 0;
    auto* at = value.mutable_data<double>();
    for (std::int64_t i = 0; i < value.numel(); ++i) {
      at[i] = shape.size() > 1 ? at[i] * std::sqrt(6 / fan_in) : at[i] * 0.25 + offset;
    }
    tensor = value;
  }
  load_state(module, state);
}

/// Expects |ours - theirs| <= 1e-10 * max(1, largest |theirs|).
inline void expect_near(const Tensor& ours, const Tensor& theirs) {
  ASSERT_TRUE(theirs.defined());
  ASSERT_EQ(ours.shape(), theirs.shape());
  const std::vector<double> left = ours.to_vector();
  const std::vector<double> right = theirs.to_vector();
  double scale = 1;
  for (const double value : right) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_NEAR(left[i], right[i], 1e-10 * scale) << "at " << i;
}

inline const std::vector<int> file_images = {0, 3, 1, 2};

inline Tensor hashed_image(const std::string& name, const Shape& file_shape) {
  return from_file_layout(hashed(name, file_shape), file_images);
}

/// Logits in training and in evaluation, and every gradient, of a model for images of this side.
inline void expect_net(Layer& model, const TensorFile& reference, const std::string& reference_name,
                       std::int64_t side) {
  SCOPED_TRACE(reference_name);
  start(model, reference_name);
  const Tensor x = hashed_image(reference_name + ".x", {4, 3, side, side});
  const Tensor y = model(x);
  expect_near(y.detach(), reference.find(reference_name + ".train"));
  y.backward(hashed(reference_name + ".dy", y.shape()));

  const std::vector<double> norms = reference.find(reference_name + ".norms").to_vector();
  const std::vector<double> projections = reference.find(reference_name + ".projections").to_vector();
  const double largest = *std::max_element(norms.begin(), norms.end());
  std::istringstream names(reference.metadata.at(reference_name));
  const std::vector<NamedTensor> parameters = model.parameters();
  ASSERT_EQ(parameters.size(), norms.size());
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    std::string expected;
    names >> expected;
    EXPECT_EQ(parameters[p].name, expected);
    const HashedStream signs(reference_name + "." + expected + ".signs");
    const std::vector<double> gradient =
        to_file_layout(parameters[p].value.grad(), parameters[p].file_axes).to_vector();
    double square = 0;
    double projection = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      square += gradient[i] * gradient[i];
      projection += signs.sign(i) * gradient[i];
    }
    // Gradients that are zero but for rounding, as of a bias with a norm behind it, are compared with the largest.
    const double bound = 1e-9 * norms[p] + 1e-13 * largest;
    EXPECT_NEAR(std::sqrt(square), norms[p], bound) << expected;
    EXPECT_NEAR(projection, projections[p], bound) << expected;
  }
  model.eval();
  const NoGradGuard no_grad;
  expect_near(model(x), reference.find(reference_name + ".eval"));
}

}  // namespace striate::testing_support

#pragma once
// The fully connected layer: with linear.cpp the shortest complete example of an op and its layer.

#include <cstdint>
#include <string>

#include "core/module.h"

namespace striate {

/// y = x w + b. x (N,C), w (C,K), b (K) or empty -> (N,K). w and b have x's dtype; beside bf16 and f16 x they
/// are f32: the weights are rounded to x's dtype, products summed in f32, y is of x's dtype and the gradients
/// of w and b are f32, but beside f16 rounded to it, as if f16 copies of w and b took part. Throws ShapeError;
/// std::invalid_argument for other dtypes.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b);

struct LinearOptions {
  bool bias = true;
};

class Linear : public Layer {
 public:
  /// weight (in, out), in files (out, in); bias (out). Both uniform within +-1/sqrt(in), as in PyTorch.
  Linear(Module& parent, std::string name, std::int64_t in, std::int64_t out, LinearOptions options = {});

  Tensor forward(const Tensor& x) override { return linear(x, weight, bias); }
  [[nodiscard]] std::string kind() const override { return "Linear"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

  Tensor weight;
  Tensor bias;
};

}  // namespace striate

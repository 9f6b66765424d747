#pragma once
// ReLU, fused with a batch norm before it (core/deferred.h). Other activations: layers/activations.h.

#include <string>

#include "core/module.h"

namespace striate {

/// max(x, 0), element by element; a NaN stays a NaN. Any shape; f32, f64, bf16 or f16. The gradient at 0 is 0.
Tensor relu(const Tensor& x);

struct ReLU : Layer {
  using Layer::Layer;
  Tensor forward(const Tensor& x) override { return relu(x); }
  [[nodiscard]] std::string kind() const override { return "ReLU"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& /*input*/, const Shape& /*output*/) const override {
    return {.merges_into_previous = true};
  }
};

}  // namespace striate

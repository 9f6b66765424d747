#pragma once
// From feature maps to the rows that a linear layer takes.

#include <string>

#include "core/module.h"

namespace striate {

/// x (N,H,W,C) -> (N, C*H*W), features in the order (C,H,W), so that weights of PyTorch mean the same;
/// likewise for any other number of axes between batch and channels. Shares memory where H*W or C is 1, else
/// copies. Throws ShapeError below rank 2.
Tensor flatten(const Tensor& x);

struct Flatten : Layer {
  using Layer::Layer;
  Tensor forward(const Tensor& x) override { return flatten(x); }
  [[nodiscard]] std::string kind() const override { return "Flatten"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& /*input*/, const Shape& /*output*/) const override {
    return {.merges_into_previous = true};
  }
};

}  // namespace striate

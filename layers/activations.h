#pragma once
// Activations beside ReLU (layers/relu.h), with PyTorch's names and defaults. Elementwise, any shape; f32, f64, bf16 or
// f16, computed in f32 for the latter two. A new one is its expressions in activations.cpp and its layer here.

#include <cstdint>
#include <string>
#include <utility>

#include "core/module.h"

namespace striate {

/// 1 / (1 + exp(-x)).
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
/// x above 0, negative_slope * x elsewhere.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x * sigmoid(x), also known as swish.
Tensor silu(const Tensor& x);
/// x * P(X <= x) with X standard normal; `tanh` stands for PyTorch's approximate="tanh".
enum class GeluApproximation : std::uint8_t { none, tanh };
Tensor gelu(const Tensor& x, GeluApproximation approximate = GeluApproximation::none);

/// What the layers of activations have in common.
class Activation : public Layer {
 public:
  using Layer::Layer;
  [[nodiscard]] LayerGeometry geometry(const Shape& /*input*/, const Shape& /*output*/) const override {
    return {.merges_into_previous = true};
  }
};

struct Sigmoid : Activation {
  using Activation::Activation;
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
  [[nodiscard]] std::string kind() const override { return "Sigmoid"; }
};

struct Tanh : Activation {
  using Activation::Activation;
  Tensor forward(const Tensor& x) override { return tanh(x); }
  [[nodiscard]] std::string kind() const override { return "Tanh"; }
};

struct LeakyReLU : Activation {
  LeakyReLU(Module& parent, std::string name, double slope = 0.01)
      : Activation(parent, std::move(name)), negative_slope(slope) {}
  Tensor forward(const Tensor& x) override { return leaky_relu(x, negative_slope); }
  [[nodiscard]] std::string kind() const override { return "LeakyReLU"; }
  double negative_slope;
};

struct SiLU : Activation {
  using Activation::Activation;
  Tensor forward(const Tensor& x) override { return silu(x); }
  [[nodiscard]] std::string kind() const override { return "SiLU"; }
};

struct GELU : Activation {
  GELU(Module& parent, std::string name, GeluApproximation kind = GeluApproximation::none)
      : Activation(parent, std::move(name)), approximate(kind) {}
  Tensor forward(const Tensor& x) override { return gelu(x, approximate); }
  [[nodiscard]] std::string kind() const override { return "GELU"; }
  GeluApproximation approximate;
};

}  // namespace striate

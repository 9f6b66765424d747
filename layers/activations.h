#pragma once
// Activations, with PyTorch's names and defaults. Elementwise, any shape; f32, f64, bf16 or f16, computed in f32 for
// the latter two. A new one is its expressions in activations.cpp and its layer here.

#include <cstdint>
#include <string>
#include <utility>

#include "layers/function_layer.h"

namespace striate {

/// max(x, 0); a NaN stays a NaN. The gradient at 0 is 0. Fused with a batch norm before it (core/deferred.h).
Tensor relu(const Tensor& x);
/// min(max(x, 0), 6); a NaN stays a NaN. The gradient at 0 and 6 is 0.
Tensor relu6(const Tensor& x);
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
/// x above 0, alpha * (exp(x) - 1) elsewhere.
Tensor elu(const Tensor& x, double alpha = 1);
/// log(1 + exp(beta * x)) / beta, and x where beta * x is above threshold. Throws std::invalid_argument for a beta of
/// 0.
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
/// (x + 3) / 6, at least 0 and at most 1.
Tensor hardsigmoid(const Tensor& x);
/// x * hardsigmoid(x).
Tensor hardswish(const Tensor& x);

/// The layer around an elementwise function.
struct Activation : FunctionLayer {
  Activation(Module& parent, std::string name, std::string kind, Function function)
      : FunctionLayer(parent, std::move(name), std::move(kind), std::move(function),
                      [](const Shape&, const Shape&) -> LayerGeometry { return {.merges_into_previous = true}; }) {}
};

struct ReLU : Activation {
  ReLU(Module& parent, std::string name) : Activation(parent, std::move(name), "ReLU", relu) {}
};

struct ReLU6 : Activation {
  ReLU6(Module& parent, std::string name) : Activation(parent, std::move(name), "ReLU6", relu6) {}
};

struct Sigmoid : Activation {
  Sigmoid(Module& parent, std::string name) : Activation(parent, std::move(name), "Sigmoid", sigmoid) {}
};

struct Tanh : Activation {
  Tanh(Module& parent, std::string name) : Activation(parent, std::move(name), "Tanh", tanh) {}
};

struct LeakyReLU : Activation {
  LeakyReLU(Module& parent, std::string name, double negative_slope = 0.01)
      : Activation(parent, std::move(name), "LeakyReLU",
                   [=](const Tensor& x) { return leaky_relu(x, negative_slope); }) {}
};

struct SiLU : Activation {
  SiLU(Module& parent, std::string name) : Activation(parent, std::move(name), "SiLU", silu) {}
};

struct GELU : Activation {
  GELU(Module& parent, std::string name, GeluApproximation approximate = GeluApproximation::none)
      : Activation(parent, std::move(name), "GELU", [=](const Tensor& x) { return gelu(x, approximate); }) {}
};

struct ELU : Activation {
  ELU(Module& parent, std::string name, double alpha = 1)
      : Activation(parent, std::move(name), "ELU", [=](const Tensor& x) { return elu(x, alpha); }) {}
};

struct Softplus : Activation {
  Softplus(Module& parent, std::string name, double beta = 1, double threshold = 20)
      : Activation(parent, std::move(name), "Softplus", [=](const Tensor& x) { return softplus(x, beta, threshold); }) {
  }
};

struct Hardsigmoid : Activation {
  Hardsigmoid(Module& parent, std::string name) : Activation(parent, std::move(name), "Hardsigmoid", hardsigmoid) {}
};

struct Hardswish : Activation {
  Hardswish(Module& parent, std::string name) : Activation(parent, std::move(name), "Hardswish", hardswish) {}
};

}  // namespace striate

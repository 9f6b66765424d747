#pragma once
// First values of parameters, written in place outside the graph. Element i in memory order takes number i of
// the next stream of default_generator(), so values depend on the seed and on the order of the calls alone.

#include <cstdint>

#include "core/tensor.h"

namespace striate {

/// Uniform in [low, high).
void uniform_(Tensor tensor, double low, double high);
void normal_(Tensor tensor, double mean, double deviation);
void constant_(Tensor tensor, double value);

/// Fan in and fan out: the inputs that an output depends on, and the outputs that depend on an input.
struct Fan {
  std::int64_t in = 0;
  std::int64_t out = 0;
};

/// (R,S,C/groups,K) or (S,C/groups,K): in = R*S*C/groups, out = R*S*K (PyTorch's count, which ignores groups). (C,K): C
/// and K. Throws ShapeError for other ranks.
Fan fan_of(const Shape& weight);

enum class FanMode : std::uint8_t { in, out };

/// The gain of ReLU with this slope below zero: sqrt(2 / (1 + slope^2)).
double leaky_relu_gain(double slope = 0);

/// He et al., "Delving Deep into Rectifiers" (2015): variance gain^2 / fan. The default gain is ReLU's,
/// sqrt(2).
void kaiming_uniform_(Tensor weight, FanMode mode = FanMode::in, double gain = leaky_relu_gain());
void kaiming_normal_(Tensor weight, FanMode mode = FanMode::in, double gain = leaky_relu_gain());
/// Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010):
/// variance gain^2 * 2 / (in + out).
void xavier_uniform_(Tensor weight, double gain = 1);

/// PyTorch's default for convolutions and linear layers: weight and bias uniform within +-1/sqrt(fan in) of
/// the weight (its Kaiming-uniform with a = sqrt 5). The bias may be undefined.
void default_init_(Tensor weight, Tensor bias);

}  // namespace striate

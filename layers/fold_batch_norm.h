#pragma once
#include "core/tensor.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"

namespace striate {

/// True where conv and then norm are one convolution: norm uses its running statistics, it fits conv, and
/// nothing of what happens to x is recorded.
bool can_fold(const Conv2d& conv, const BatchNorm2d& norm, const Tensor& x);

struct FoldedConv {
  Tensor weight;
  Tensor bias;
};

/// The convolution that equals conv and then norm: with scale = norm.weight / sqrt(running_var + eps),
/// weights times the scale of their filter, and bias = (conv.bias - running_mean) * scale + norm.bias. Needs
/// can_fold.
FoldedConv fold(const Conv2d& conv, const BatchNorm2d& norm);

}  // namespace striate

#pragma once
// relu(batch_norm) as a layer's forward() runs it, in one pass; or batch_norm alone.

#include "core/deferred.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"

namespace striate::testing_support {

inline Tensor batch_norm_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                              const Tensor& var, const BatchNormOptions& options, bool with_relu = true) {
  const DeferScope scope;
  const Tensor y = batch_norm(x, weight, bias, mean, var, options);
  return with_relu ? relu(y) : y;
}

}  // namespace striate::testing_support

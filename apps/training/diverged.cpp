#include "apps/training/diverged.h"

#include "core/autograd.h"

namespace striate {

bool all_finite(const Tensor& tensor) {
  if (!is_floating(tensor.dtype())) return true;
  return dispatch_floating("finite", tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    // One multiplication by zero turns infinities into NaN, and NaN survives every sum.
    compute_t<T> sum = 0;
    for (const T value : tensor.span<T>()) sum += static_cast<compute_t<T>>(value) * 0;
    return sum == 0;
  });
}

std::string first_not_finite(const Module& model) {
  for (const auto& list : {model.parameters(), model.buffers()}) {
    for (const NamedTensor& named : list) {
      if (!all_finite(named.value)) return named.name;
    }
  }
  return {};
}

std::string first_layer_not_finite(Layer& model, const Tensor& images) {
  std::string found;
  const LayerObserver observer([&](const Layer& layer, const Tensor&, const Tensor& y) {
    if (!found.empty() || !layer.children().empty() || all_finite(y)) return;
    found = (layer.path().empty() ? "the model" : layer.path()) + " (" + layer.kind() + ")";
  });
  const NoGradGuard no_grad;
  model(images);
  return found;
}

}  // namespace striate

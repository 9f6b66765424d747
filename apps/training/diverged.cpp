#include "apps/training/diverged.h"

#include "core/autograd.h"

namespace striate {
namespace {

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

}  // namespace

std::string first_not_finite(const Module& model) {
  for (const auto& list : {model.parameters(), model.buffers()}) {
    for (const NamedTensor& named : list) {
      if (!all_finite(named.value)) return named.name;
    }
  }
  return {};
}

std::string where_not_finite(Layer& model, const Tensor& images, const std::string& otherwise) {
  if (images.defined() && !all_finite(images)) {
    return "the batch of images itself is not finite. Give another mean and std (--mean, --std), or precision.";
  }
  std::string found;
  const LayerObserver observer([&](const Layer& layer, const Tensor&, const Tensor& y) {
    if (!found.empty() || !layer.children().empty() || all_finite(y)) return;
    found = "the first layer whose output is not finite is " + (layer.path().empty() ? "the model" : layer.path()) +
            " (" + layer.kind() + ")";
  });
  const NoGradGuard no_grad;
  if (images.defined()) model(images);
  return (found.empty() ? otherwise : found) + ". Try a smaller learning rate, a warmup or gradient clipping.";
}

}  // namespace striate

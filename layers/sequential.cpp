#include "layers/sequential.h"

#include <typeinfo>

#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/fold_batch_norm.h"
#include "layers/relu.h"

namespace striate {
namespace {

// The layer as an L, or null. Of exactly this type: what derives from it may have another forward().
template <class L>
L* as(Layer* layer) {
  return layer != nullptr && typeid(*layer) == typeid(L) ? static_cast<L*>(layer) : nullptr;
}

Tensor run_folded(const Conv2d& conv, const BatchNorm2d& norm, bool relu, const Tensor& x) {
  return conv.call(x, [&] {
    const FoldedConv folded = fold(conv, norm);
    Tensor y = conv2d(x, folded.weight, folded.bias, conv.options());
    if (relu) relu_(y);
    return y;
  });
}

}  // namespace

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  const auto layer = [&](std::size_t i) { return i < layers_.size() ? layers_[i].get() : nullptr; };
  for (std::size_t i = 0; i < layers_.size();) {
    if (!LayerObserver::watching()) {
      const auto* conv = as<Conv2d>(layer(i));
      auto* norm = as<BatchNorm2d>(layer(conv != nullptr ? i + 1 : i));
      const bool relu = norm != nullptr && as<ReLU>(layer(conv != nullptr ? i + 2 : i + 1)) != nullptr;
      if (conv != nullptr && norm != nullptr && can_fold(*conv, *norm, y)) {
        y = run_folded(*conv, *norm, relu, y);
        i += relu ? 3 : 2;
        continue;
      }
      if (conv == nullptr && relu) {
        y = norm->with_relu(y);
        i += 2;
        continue;
      }
    }
    y = (*layers_[i++])(y);
  }
  return y;
}

}  // namespace striate

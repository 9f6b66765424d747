#include "layers/sequential.h"

#include <typeinfo>

#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/relu.h"

namespace striate {
namespace {

// The layer as an L, or null. Of exactly this type: what derives from it may have another forward().
template <class L>
L* as(Layer& layer) {
  return typeid(layer) == typeid(L) ? static_cast<L*>(&layer) : nullptr;
}

}  // namespace

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  bool ours = false;  // y is a convolution's output, which nobody else has
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    auto* norm = LayerObserver::watching() ? nullptr : as<BatchNorm2d>(*layers_[i]);
    if (norm == nullptr) {
      y = (*layers_[i])(y);
      ours = as<Conv2d>(*layers_[i]) != nullptr;
      continue;
    }
    const bool relu = i + 1 < layers_.size() && as<ReLU>(*layers_[i + 1]) != nullptr;
    if (ours) {
      y = norm->over(y, relu);
    } else {
      y = relu ? norm->with_relu(y) : (*norm)(y);
    }
    ours = false;
    if (relu) ++i;
  }
  return y;
}

}  // namespace striate

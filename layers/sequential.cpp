#include "layers/sequential.h"

#include <typeinfo>

#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/relu.h"

namespace striate {

template <class L>
L* Sequential::at(std::size_t index) {
  if (index >= layers_.size()) return nullptr;
  Layer& layer = *layers_[index];
  return typeid(layer) == typeid(L) ? static_cast<L*>(&layer) : nullptr;
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    auto* conv = at<Conv2d>(i);
    auto* norm = at<BatchNorm2d>(conv == nullptr ? i : i + 1);
    if (norm == nullptr || LayerObserver::watching()) {
      y = (*layers_[i])(y);
      continue;
    }
    if (conv != nullptr) ++i;
    const bool relu = at<ReLU>(i + 1) != nullptr;
    if (relu) ++i;
    if (conv != nullptr) {
      y = conv->with_norm(y, *norm, relu);
    } else {
      y = relu ? norm->with_relu(y) : (*norm)(y);
    }
  }
  return y;
}

}  // namespace striate

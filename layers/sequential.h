#pragma once
// Layers in a row. Models are built of it and of layers of their own; next: models/vgg.cpp.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/module.h"

namespace striate {

/// Layers one after the other, named "0", "1", ... as in PyTorch.
class Sequential : public Layer {
 public:
  using Layer::Layer;

  /// Constructs L(*this, name, arguments...) at the end and owns it.
  template <class L, class... Args>
  L& add(Args&&... arguments) {
    auto layer = std::make_unique<L>(*this, std::to_string(layers_.size()), std::forward<Args>(arguments)...);
    L& reference = *layer;
    layers_.push_back(std::move(layer));
    return reference;
  }

  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (const auto& layer : layers_) y = (*layer)(y);
    return y;
  }
  [[nodiscard]] std::string kind() const override { return "Sequential"; }

  [[nodiscard]] std::size_t size() const { return layers_.size(); }
  /// Throws std::out_of_range.
  Layer& operator[](std::size_t index) { return *layers_.at(index); }
  const Layer& operator[](std::size_t index) const { return *layers_.at(index); }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace striate

#pragma once
// For gradients with respect to images and feature maps: backward() then spends nothing on parameters.

#include <memory>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/module.h"

namespace striate {

/// While one lives, a model is in eval mode, its ops record, and no parameter wants a gradient; afterwards each does as
/// before, and has the gradient that it had.
class FrozenGuard {
 public:
  explicit FrozenGuard(Module& model) : eval_(model) {
    for (NamedTensor& parameter : model.parameters()) {
      nodes_.emplace_back(parameter.value, parameter.value.node());
      parameter.value.set_node(nullptr);
    }
  }
  ~FrozenGuard() {
    // Backwards, since a tensor that is two parameters had its node the first time.
    for (; !nodes_.empty(); nodes_.pop_back()) nodes_.back().first.set_node(nodes_.back().second);
  }
  FrozenGuard(const FrozenGuard&) = delete;
  FrozenGuard& operator=(const FrozenGuard&) = delete;

 private:
  EvalGuard eval_;
  GradModeGuard recording_{true};
  std::vector<std::pair<Tensor, std::shared_ptr<Node>>> nodes_;
};

}  // namespace striate

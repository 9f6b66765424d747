#pragma once
// For gradients with respect to images and feature maps: backward() then spends nothing on parameters.

#include <memory>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/module.h"

namespace striate {

/// While one lives, no parameter of the module wants a gradient; afterwards each does as before, and has the gradient
/// that it had.
class FrozenGuard {
 public:
  explicit FrozenGuard(const Module& module) {
    for (NamedTensor& parameter : module.parameters()) {
      nodes_.emplace_back(parameter.value, parameter.value.node());
      parameter.value.set_node(nullptr);
    }
  }
  ~FrozenGuard() {
    for (auto& [parameter, node] : nodes_) parameter.set_node(node);
  }
  FrozenGuard(const FrozenGuard&) = delete;
  FrozenGuard& operator=(const FrozenGuard&) = delete;

 private:
  std::vector<std::pair<Tensor, std::shared_ptr<Node>>> nodes_;
};

}  // namespace striate

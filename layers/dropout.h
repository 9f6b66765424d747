#pragma once
// Dropout (Srivastava et al., 2014), inverted: evaluation has nothing to scale.

#include <string>

#include "core/module.h"

namespace striate {

/// In training every element is zero with probability p, else x / (1 - p); p = 1 gives zeros. Otherwise x
/// itself. Any shape. One draw of default_generator() decides; element i is a function of that draw and i
/// alone. Throws std::invalid_argument unless 0 <= p <= 1.
Tensor dropout(const Tensor& x, double p, bool training);

class Dropout : public Layer {
 public:
  Dropout(Module& parent, std::string name, double p = 0.5);
  Tensor forward(const Tensor& x) override { return dropout(x, p_, training()); }
  [[nodiscard]] std::string kind() const override { return "Dropout"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& /*input*/, const Shape& /*output*/) const override {
    return {.merges_into_previous = true};
  }

 private:
  double p_;
};

}  // namespace striate

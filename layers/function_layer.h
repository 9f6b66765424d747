#pragma once
// Layers without state: a function of one tensor, as activations, pools and upsampling are.

#include <functional>
#include <string>
#include <utility>

#include "core/module.h"

namespace striate {

class FunctionLayer : public Layer {
 public:
  using Function = std::function<Tensor(const Tensor& x)>;
  using Geometry = std::function<LayerGeometry(const Shape& input, const Shape& output)>;

  /// `geometry` is what a summary shows.
  FunctionLayer(Module& parent, std::string name, std::string kind, Function function, Geometry geometry)
      : Layer(parent, std::move(name)),
        kind_(std::move(kind)),
        function_(std::move(function)),
        geometry_(std::move(geometry)) {}
  Tensor forward(const Tensor& x) override { return function_(x); }
  [[nodiscard]] std::string kind() const override { return kind_; }
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override {
    return geometry_(input, output);
  }

 private:
  std::string kind_;
  Function function_;
  Geometry geometry_;
};

}  // namespace striate

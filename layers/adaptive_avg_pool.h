#pragma once
// Average pooling to a given output size; size 1 is global average pooling. Sums: layers/average_windows.h.

#include <string>

#include "core/module.h"
#include "layers/extent.h"

namespace striate {

/// Means over windows that tile the input, whatever its size: x (N,H,W,C) -> (N,P,Q,C) with (P,Q) =
/// output_size. Window i spans floor(i*H/P) .. ceil((i+1)*H/P) - 1, as in PyTorch; neighbours overlap where P
/// does not divide H. Throws ShapeError, and std::invalid_argument for an output size below 1.
Tensor adaptive_avg_pool2d(const Tensor& x, const Extent2d& output_size);

class AdaptiveAvgPool2d : public Layer {
 public:
  AdaptiveAvgPool2d(Module& parent, std::string name, const Extent2d& output_size);
  Tensor forward(const Tensor& x) override { return adaptive_avg_pool2d(x, output_size_); }
  [[nodiscard]] std::string kind() const override { return "AdaptiveAvgPool2d"; }
  /// Kernel and stride floor(H/P), at least 1: exact where P divides H, else the nearest plain pooling (true
  /// windows are up to two wider and not evenly spaced).
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

 private:
  Extent2d output_size_;
};

}  // namespace striate

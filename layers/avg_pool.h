#pragma once
// Average pooling. Geometry and checks: layers/pooling.h; sums: layers/average_windows.h.

#include <cstdint>
#include <optional>
#include <string>

#include "core/module.h"
#include "layers/extent.h"

namespace striate {

/// PyTorch's names, defaults and rules.
struct AvgPool2dOptions {
  Extent2d kernel_size;
  std::optional<Extent2d> stride = std::nullopt;  ///< nullopt: kernel_size
  Extent2d padding = 0;                           ///< zeros, at most half the kernel
  bool ceil_mode = false;
  bool count_include_pad = true;  ///< the divisor counts the padding (but not what ceil_mode adds past it)
  std::optional<std::int64_t> divisor_override = std::nullopt;  ///< the divisor of every window; not zero
};

/// The mean of every window. x (N,H,W,C) -> (N,P,Q,C) with P = floor((H + 2*padding - kernel_size) / stride)
/// + 1, Q alike; with ceil_mode rounded up, though no window starts past the input. Throws ShapeError, and
/// std::invalid_argument for options outside the rules.
Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options);

class AvgPool2d : public Layer {
 public:
  AvgPool2d(Module& parent, std::string name, const AvgPool2dOptions& options);
  Tensor forward(const Tensor& x) override { return avg_pool2d(x, options_); }
  [[nodiscard]] std::string kind() const override { return "AvgPool2d"; }
  /// Of the height.
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

 private:
  AvgPool2dOptions options_;
};

}  // namespace striate

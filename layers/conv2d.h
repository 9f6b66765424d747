#pragma once
// 2-d convolution. As in PyTorch and every other framework it is correlation: the kernel is not flipped. The op checks
// and records; the arithmetic is in layers/conv/, whose README.md is its map.

#include <string>

#include "core/module.h"
#include "layers/window.h"

namespace striate {

/// PyTorch's defaults; padding is zeros on both sides.
struct Conv2dOptions {
  Extent2d kernel_size = 1;
  Extent2d stride = 1;
  Extent2d padding = 0;
  Extent2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// x (N,H,W,C), w (R,S,C/groups,K), b (K) or undefined -> (N,P,Q,K) with
/// P = floor((H + 2*padding - dilation*(R-1) - 1) / stride) + 1, Q alike. The kernel's size is w's. x is f32,
/// f64, bf16 or f16; w and b are f64 with f64, else f32. For bf16 and f16, x, w and dy are of, or rounded to,
/// that type where products take them, sums are f32, and the outputs y and dx are rounded once. For f16 the
/// gradients of w and b are rounded to f16 as well, as if f16 copies of w and b took part: they underflow and
/// overflow like those. In evaluation without gradients a batch_norm after it and a relu after that are fused into it
/// (core/deferred.h): the same values in f32 and f64, and one rounding less in bf16 and f16. Throws ShapeError.
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b = {}, const Conv2dOptions& options = {});

/// Weight (R,S,C/groups,K), in files (K,C/groups,R,S); both weight and bias start as
/// U(+-1/sqrt(C/groups*R*S)), which is PyTorch's Kaiming-uniform with a = sqrt(5).
class Conv2d : public Layer {
 public:
  Conv2d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
         const Conv2dOptions& options);
  Tensor forward(const Tensor& x) override { return conv2d(x, weight, bias, options_); }
  [[nodiscard]] std::string kind() const override { return "Conv2d"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

  Tensor weight;
  Tensor bias;  ///< undefined without bias

 private:
  Conv2dOptions options_;
};

}  // namespace striate

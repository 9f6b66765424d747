#pragma once
// 2-d convolution. As in PyTorch and every other framework it is correlation: the kernel is not flipped. Transposed and
// 1-d convolution are conv_transpose2d.h and conv1d.h; all four are one op, in layers/conv/convolution.cpp, and the
// arithmetic is in layers/conv/, whose README.md is its map.

#include <string>

#include "core/module.h"
#include "layers/pad.h"

namespace striate {

/// PyTorch's names and defaults.
struct Conv2dOptions {
  Extent2d kernel_size = 1;
  Extent2d stride = 1;
  Padding padding = 0;
  Extent2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  PaddingMode padding_mode = PaddingMode::zeros;  ///< the others cost a copy of x with its borders (pad.h)
};

/// x (N,H,W,C), w (R,S,C/groups,K), b (K) or undefined -> (N,P,Q,K) with
/// P = floor((H + 2*padding - dilation*(R-1) - 1) / stride) + 1, Q alike. The kernel's size is w's. x is f32,
/// f64, bf16 or f16; w and b are f64 with f64, else f32. For bf16 and f16, x, w and dy are of, or rounded to,
/// that type where products take them, sums are f32, and the outputs y and dx are rounded once. For f16 the
/// gradients of w and b are rounded to f16 as well, as if f16 copies of w and b took part: they underflow and
/// overflow like those. In evaluation without gradients a batch_norm after it and a relu after that are fused into it
/// (core/deferred.h): the same values in f32 and f64, and one rounding less in bf16 and f16. Throws ShapeError.
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b = {}, const Conv2dOptions& options = {});

struct ConvKind;

/// What all layers of convolution are (PyTorch's _ConvNd). The weight is (R,S,C/groups,K), of a transposed one
/// (R,S,K/groups,C), of 1-d ones without R; in files (K,C/groups,R,S), (C,K/groups,R,S), and without R again. Both
/// weight and bias start as U(+-1/sqrt(n)), n the product of the weight's sizes but the last, which is PyTorch's
/// Kaiming-uniform with a = sqrt(5).
class ConvNd : public Layer {
 public:
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override;
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

  Tensor weight;
  Tensor bias;  ///< undefined without bias

 protected:
  /// `kind` outlives the layer. Options of 1-d ones have height 1, and 0 of padding.
  ConvNd(Module& parent, std::string name, const ConvKind& kind, std::int64_t in_channels, std::int64_t out_channels,
         const Conv2dOptions& options, const Extent2d& output_padding = 0);

 private:
  const ConvKind& kind_;
  Conv2dOptions options_;
  Extent2d output_padding_;
};

struct Conv2d : ConvNd {
  Conv2d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
         const Conv2dOptions& options);
};

}  // namespace striate

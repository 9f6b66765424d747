#pragma once
// Transposed 2-d convolution ("deconvolution"): from small maps to large ones. It is the gradient of conv2d with
// respect to its input as an op of its own, so its weight is that of the convolution from its output to its input.

#include <string>

#include "layers/conv2d.h"

namespace striate {

/// PyTorch's names and defaults.
struct ConvTranspose2dOptions {
  Extent2d kernel_size = 1;
  Extent2d stride = 1;
  Extent2d padding = 0;         ///< rows and columns cut off on both sides
  Extent2d output_padding = 0;  ///< more of them at the bottom and right: which of the sizes that stride folds into one
  Extent2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// x (N,H,W,C), w (R,S,K/groups,C), b (K) or undefined -> (N,P,Q,K) with
/// P = (H - 1)*stride - 2*padding + dilation*(R-1) + output_padding + 1, Q alike:
/// y[n,p,q,k] = b[k] + sum of x[n,h,w,c] * w[r,s,k,c] over all h, w, r, s with p = h*stride - padding + r*dilation and
/// q = w*stride - padding + s*dilation, and over the c of k's group. Dtypes, rounding and fusing are conv2d's. Throws
/// ShapeError, and std::invalid_argument for an output_padding that is not less than stride or dilation.
Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                        const ConvTranspose2dOptions& options = {});

struct ConvTranspose2d : ConvNd {
  ConvTranspose2d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
                  const ConvTranspose2dOptions& options);
};

}  // namespace striate

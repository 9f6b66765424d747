#pragma once
// What conv2d, conv_transpose2d, conv1d and conv_transpose1d share, which is all but their names and options: checks,
// the calls of the kernels, the entry in the graph, fusing.

#include "core/tensor.h"
#include "layers/conv2d.h"

namespace striate {

/// Which of the ops. A transposed convolution takes what a convolution gives, and gives what that takes: its forward
/// pass is the convolution's backward data, and the other way round. A 1-d one takes x (N,L,C) and w (S,·,·) for
/// (N,1,L,C) and (1,S,·,·), which are the same memory.
struct ConvKind {
  const char* op;     ///< "conv_transpose2d"
  const char* layer;  ///< "ConvTranspose2d"
  bool transposed = false;
  bool one_d = false;
};

/// As the ops' headers say. The kernel's size is w's.
Tensor convolution(const ConvKind& kind, const Tensor& x, const Tensor& w, const Tensor& b,
                   const Conv2dOptions& options, const Extent2d& output_padding = 0);

/// What a summary shows of a layer that takes `products` for each output, or for each input where transposed.
LayerGeometry conv_layer_geometry(const Conv2dOptions& options, bool transposed, std::int64_t products,
                                  const Shape& input, const Shape& output);

/// Throws std::invalid_argument for options that are wrong whatever the input is.
void check_conv_options(const char* op, const Conv2dOptions& options, const Extent2d& output_padding = 0);

}  // namespace striate

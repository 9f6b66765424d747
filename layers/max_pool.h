#pragma once
// Max pooling by a sliding window, and to a given output size; size 1 is global max pooling. Geometry and checks:
// layers/pooling.h.

#include <optional>
#include <string>

#include "layers/function_layer.h"
#include "layers/window.h"

namespace striate {

/// PyTorch's names, defaults and rules.
struct MaxPool2dOptions {
  Extent2d kernel_size;
  std::optional<Extent2d> stride = std::nullopt;  ///< nullopt: kernel_size
  Extent2d padding = 0;                           ///< at most half the kernel; never wins
  Extent2d dilation = 1;
  bool ceil_mode = false;
};

/// The largest value of every window. x (N,H,W,C) -> (N,P,Q,C) with
/// P = floor((H + 2*padding - dilation*(kernel_size-1) - 1) / stride) + 1, Q alike; with ceil_mode rounded
/// up, though no window starts past the input. NaN wins. Of equal values the first in row-major order gets
/// the gradient. Throws ShapeError, and std::invalid_argument for options outside the rules.
Tensor max_pool2d(const Tensor& x, const MaxPool2dOptions& options);

/// The largest value of windows that tile the input, whatever its size: x (N,H,W,C) -> (N,P,Q,C) with (P,Q) =
/// output_size and the windows of adaptive_avg_pool2d. NaN and equal values are max_pool2d's. Throws ShapeError, and
/// std::invalid_argument for an output size below 1.
Tensor adaptive_max_pool2d(const Tensor& x, const Extent2d& output_size);

struct MaxPool2d : FunctionLayer {
  MaxPool2d(Module& parent, std::string name, const MaxPool2dOptions& options);
};

/// In summaries as AdaptiveAvgPool2d.
struct AdaptiveMaxPool2d : FunctionLayer {
  AdaptiveMaxPool2d(Module& parent, std::string name, const Extent2d& output_size);
};

}  // namespace striate

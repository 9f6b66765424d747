#pragma once
// Average pooling by a sliding window, and to a given output size; size 1 is global average pooling.

#include <cstdint>
#include <optional>
#include <string>

#include "layers/function_layer.h"
#include "layers/window.h"

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
/// + 1, Q alike; with ceil_mode rounded up, though no window starts past the input. f32, f64, bf16 or f16 (both summed
/// in f32). Throws ShapeError, and std::invalid_argument for options outside the rules.
Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options);

/// Means over windows that tile the input, whatever its size: x (N,H,W,C) -> (N,P,Q,C) with (P,Q) =
/// output_size. Window i spans floor(i*H/P) .. ceil((i+1)*H/P) - 1, as in PyTorch; neighbours overlap where P
/// does not divide H. Throws ShapeError, and std::invalid_argument for an output size below 1.
Tensor adaptive_avg_pool2d(const Tensor& x, const Extent2d& output_size);

struct AvgPool2d : FunctionLayer {
  AvgPool2d(Module& parent, std::string name, const AvgPool2dOptions& options);
};

/// A summary shows the height's kernel and stride as floor(H/P), at least 1: exact where P divides H, else the nearest
/// plain pooling (true windows are up to two wider and not evenly spaced).
struct AdaptiveAvgPool2d : FunctionLayer {
  AdaptiveAvgPool2d(Module& parent, std::string name, const Extent2d& output_size);
};

}  // namespace striate

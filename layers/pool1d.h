#pragma once
// Pooling along one axis: of sequences (N,L,C) as of images (N,1,L,C), which are the same memory.

#include <cstdint>
#include <optional>
#include <string>

#include "layers/function_layer.h"

namespace striate {

/// PyTorch's names and defaults.
struct MaxPool1dOptions {
  std::int64_t kernel_size;
  std::optional<std::int64_t> stride = std::nullopt;  ///< nullopt: kernel_size
  std::int64_t padding = 0;                           ///< at most half the kernel; never wins
  std::int64_t dilation = 1;
  bool ceil_mode = false;
};

/// PyTorch's names and defaults.
struct AvgPool1dOptions {
  std::int64_t kernel_size;
  std::optional<std::int64_t> stride = std::nullopt;  ///< nullopt: kernel_size
  std::int64_t padding = 0;                           ///< zeros, at most half the kernel
  bool ceil_mode = false;
  bool count_include_pad = true;
};

/// x (N,L,C) -> (N,Q,C); Q and all else as in max_pool2d, avg_pool2d and adaptive_avg_pool2d. Throw ShapeError.
Tensor max_pool1d(const Tensor& x, const MaxPool1dOptions& options);
Tensor avg_pool1d(const Tensor& x, const AvgPool1dOptions& options);
Tensor adaptive_avg_pool1d(const Tensor& x, std::int64_t output_size);

struct MaxPool1d : FunctionLayer {
  MaxPool1d(Module& parent, std::string name, const MaxPool1dOptions& options);
};

struct AvgPool1d : FunctionLayer {
  AvgPool1d(Module& parent, std::string name, const AvgPool1dOptions& options);
};

struct AdaptiveAvgPool1d : FunctionLayer {
  AdaptiveAvgPool1d(Module& parent, std::string name, std::int64_t output_size);
};

}  // namespace striate

#pragma once
// Convolutions along one axis, for sound and other sequences. A batch of them is (N,L,C), length in the place of
// height and width, and is computed as (N,1,L,C), which is the same memory, by the kernels of conv2d. So are the pools
// of pool1d.h; BatchNorm1d is in batch_norm.h.

#include <string>

#include "layers/conv2d.h"

namespace striate {

/// PyTorch's names and defaults. Of padding, the width counts.
struct Conv1dOptions {
  std::int64_t kernel_size = 1;
  std::int64_t stride = 1;
  Padding padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  PaddingMode padding_mode = PaddingMode::zeros;
};

/// x (N,L,C), w (S,C/groups,K), b (K) or undefined -> (N,Q,K) with
/// Q = floor((L + 2*padding - dilation*(S-1) - 1) / stride) + 1. All else is conv2d's.
Tensor conv1d(const Tensor& x, const Tensor& w, const Tensor& b = {}, const Conv1dOptions& options = {});

/// Weight (S,C/groups,K), in files (K,C/groups,S).
struct Conv1d : ConvNd {
  Conv1d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
         const Conv1dOptions& options);
};

/// PyTorch's names and defaults.
struct ConvTranspose1dOptions {
  std::int64_t kernel_size = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t output_padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// x (N,L,C), w (S,K/groups,C), b (K) or undefined -> (N,Q,K) with
/// Q = (L - 1)*stride - 2*padding + dilation*(S-1) + output_padding + 1. All else is conv_transpose2d's.
Tensor conv_transpose1d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                        const ConvTranspose1dOptions& options = {});

/// Weight (S,K/groups,C), in files (C,K/groups,S).
struct ConvTranspose1d : ConvNd {
  ConvTranspose1d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
                  const ConvTranspose1dOptions& options);
};

}  // namespace striate

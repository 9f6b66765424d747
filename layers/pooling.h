#pragma once
// What max and average pooling share: checks, output sizes, adaptive windows; and the poolings by the name of an op,
// which along one axis is another.

#include <algorithm>
#include <cstdint>

#include "core/trace.h"
#include "layers/avg_pool.h"
#include "layers/max_pool.h"
#include "layers/window.h"

namespace striate {

struct PoolGeometry {
  std::int64_t batch;
  std::int64_t channels;
  WindowAxis rows;
  WindowAxis columns;
};

/// Throws std::invalid_argument for options outside PyTorch's rules (padding is at most half the kernel), and
/// ShapeError where no window fits. Output sizes are those of output_size().
PoolGeometry check_pool(const char* op, const Tensor& x, const MaxPool2dOptions& window);

/// The output's shape of a pooling to this size. Throws ShapeError, and std::invalid_argument for a size below 1.
Shape check_adaptive_pool(const char* op, const Tensor& x, const Extent2d& output_size);

/// Window i of `output` windows that tile an axis: floor(i*input/output) .. ceil((i+1)*input/output) - 1.
struct AdaptiveWindow {
  std::int64_t begin;
  std::int64_t end;
};
AdaptiveWindow adaptive_window(std::int64_t input, std::int64_t output, std::int64_t i);

/// What a summary shows of such pools. Throws std::invalid_argument for options that are wrong whatever the input is.
FunctionLayer::Geometry sliding_geometry(const char* op, const MaxPool2dOptions& window);
FunctionLayer::Geometry sliding_geometry(const char* op, const AvgPool2dOptions& options);
FunctionLayer::Geometry adaptive_geometry(const char* op, const Extent2d& output_size);

/// max_pool2d, avg_pool2d and adaptive_avg_pool2d under another name.
Tensor max_pool(const char* op, const Tensor& x, const MaxPool2dOptions& options);
Tensor avg_pool(const char* op, const Tensor& x, const AvgPool2dOptions& options);
Tensor adaptive_avg_pool(const char* op, const Tensor& x, const Extent2d& output_size);

/// The output of a pooling of no values, of which there may be any number of windows.
Tensor pool_nothing(const char* op, const Tensor& x, const Shape& output);

/// In ONNX: x (N,H,W,C) times a matrix along each axis, rows (H,P) and columns (W,Q).
Trace::Value resample_in(Trace& t, const Tensor& x, const Tensor& rows, const Tensor& columns);

/// How many rows of `elements` make a chunk of a parallel loop.
inline std::int64_t row_grain(std::int64_t elements) {
  return std::max<std::int64_t>(1, (1 << 15) / std::max<std::int64_t>(1, elements));
}

}  // namespace striate

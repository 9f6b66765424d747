#pragma once
// Means over rectangles of the input: the computation of average and adaptive average pooling, which differ in their
// rectangles alone.

#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// Along one axis: output i covers begin .. end-1 of the input. Both ends never fall from one output to the
/// next.
struct AxisWindow {
  std::int64_t begin;
  std::int64_t end;
  double count;  ///< the axis's share in the divisor
};

/// y[n,p,q,c] = sum of x[n,h,w,c] over h in rows[p], w in columns[q], over rows[p].count * columns[q].count.
/// x (N,H,W,C); f32, f64, bf16 or f16 (both summed in f32). Recorded as `op`, which must live as long as the program.
Tensor average_windows(const char* op, const Tensor& x, const std::vector<AxisWindow>& rows,
                       const std::vector<AxisWindow>& columns);

}  // namespace striate

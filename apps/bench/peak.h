#pragma once
// The processor's peak, which `bench --layers` holds every layer's GFLOP/s against.

#include "core/dtype.h"

namespace striate::cli {

/// GFLOP/s of multiply-adds on registers alone, all threads together, measured in about a fifth of a second. For f32;
/// for bf16 of products of bf16 pairs where the build has vdpbf16ps, else the f32 figure, since bf16 is then computed
/// in f32, as f16 is in every build. 0 for other dtypes.
double measured_peak(DType operands);

}  // namespace striate::cli

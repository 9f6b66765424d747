#pragma once
#include "core/dtype.h"

namespace striate::cli {

/// GFLOP/s of multiply-adds on registers alone, all threads together, as measured here and now; takes about a
/// fifth of a second. `operands` f32, or bf16: products of bf16 pairs where the build has vdpbf16ps, else the
/// f32 figure, since that is what bf16 is computed with; f16 is too, in every build. 0 for other dtypes.
double measured_peak(DType operands);

}  // namespace striate::cli

#pragma once
// --precision: the dtypes of a run.

#include <string>

#include "core/dtype.h"

namespace striate::apps {

struct Precision {
  DType parameters = DType::f32;
  DType activations = DType::f32;
};

/// fp32, bf16 (activations and operands in bf16; parameters, statistics, loss and updates in f32) or fp64.
/// Throws UsageError with the nearest of them.
Precision precision_of(const std::string& name);

}  // namespace striate::apps

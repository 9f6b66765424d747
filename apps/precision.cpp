#include "apps/precision.h"

#include "apps/command_line.h"
#include "core/nearest_name.h"

namespace striate::apps {

Precision precision_of(const std::string& name) {
  if (name == "fp32") return {DType::f32, DType::f32};
  if (name == "bf16") return {DType::f32, DType::bf16};
  if (name == "fp16") return {DType::f32, DType::f16};
  if (name == "fp64") return {DType::f64, DType::f64};
  throw UsageError("--precision is fp32, bf16, fp16 or fp64, got " + name + "; did you mean " +
                   nearest_name(name, {"fp32", "bf16", "fp16", "fp64"}) + "?");
}

}  // namespace striate::apps

#include "apps/training/precision.h"

#include <array>

#include "apps/cli/command_line.h"

namespace striate::apps {

Precision precision_of(const std::string& name) {
  using enum DType;
  constexpr std::array<Precision, 4> all = {{{f32, f32}, {f32, bf16}, {f32, f16}, {f64, f64}}};
  return all.at(one_of("precision", name, {"fp32", "bf16", "fp16", "fp64"}));
}

}  // namespace striate::apps

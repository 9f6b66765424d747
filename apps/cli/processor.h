#pragma once
// Instruction sets that a build may use, and what is said where the processor lacks one.

#include <cstdint>

namespace striate::apps {

/// A bit for each instruction set that -march=native may turn on and this code makes use of.
enum Instructions : std::uint32_t {
  kAvx = 1U << 0U,
  kAvx2 = 1U << 1U,
  kFma = 1U << 2U,
  kBmi2 = 1U << 3U,
  kAvx512 = 1U << 4U,
  kAvx512Bf16 = 1U << 5U,
  kAvx512Vbmi = 1U << 6U,
};

/// What this build was compiled for.
extern const std::uint32_t kBuiltFor;

}  // namespace striate::apps

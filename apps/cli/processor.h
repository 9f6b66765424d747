#pragma once
// Which instruction sets this build uses, and an answer where the processor lacks one of them.

#include <cstdint>

namespace striate::cli {

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

/// Ends the process with a message where the processor lacks what the build uses. Runs by itself before static objects
/// are made, whose constructors may already use the missing instructions; called by run(), so that it is linked.
void check_processor();

}  // namespace striate::cli

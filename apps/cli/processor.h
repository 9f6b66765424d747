#pragma once
// Which instruction sets this build uses, and an answer where the processor lacks one of them.

namespace striate::cli {

/// The instruction sets that -march=native may turn on and this code makes use of, a space behind each: "AVX AVX2 ".
extern const char kBuiltFor[];

/// Ends the process with a message where the processor lacks what the build uses. Runs by itself before static objects
/// are made, whose constructors may already use the missing instructions; called by run(), so that it is linked.
void check_processor();

}  // namespace striate::cli

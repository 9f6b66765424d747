#pragma once
// An answer where the processor lacks an instruction set that this build uses.

namespace striate::cli {

/// Ends the process with a message where the processor lacks what the build uses. Runs by itself before static objects
/// are made, whose constructors may already use the missing instructions; called by run(), so that it is linked.
void check_processor();

}  // namespace striate::cli

#pragma once
// Ctrl-C as a request to save and stop, which long commands ask for between steps.

namespace striate::cli {

/// From now on the first SIGINT or SIGTERM only sets a flag; a second one ends the process as usual.
void catch_interrupts();
/// Whether there was one.
bool interrupted();

}  // namespace striate::cli

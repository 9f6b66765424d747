#pragma once
// Ctrl-C as a wish, not an axe.

namespace striate::cli {

/// From now on the first SIGINT or SIGTERM only sets a flag; a second one ends the process as usual. Also
/// ignores SIGXFSZ, so that a file that grows past a limit is a failed write with a message.
void catch_interrupts();
bool interrupted();

}  // namespace striate::cli

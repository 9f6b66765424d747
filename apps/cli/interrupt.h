#pragma once
// Ctrl-C, and whatever else tells a process to end, as a request to save and stop, which long commands ask for between
// steps.

namespace striate::cli {

/// From now on SIGINT, SIGTERM, SIGHUP (the terminal is gone; not under nohup, which ignores it) and SIGXCPU (the limit
/// of processor time is near) only set a flag. A second SIGINT or SIGTERM ends the process as usual, and so does
/// SIGQUIT at any time.
void catch_interrupts();
/// Whether there was one.
bool interrupted();

}  // namespace striate::cli

#pragma once
// The whole striate program as a call: train, eval, predict, summary, ablate, bench, generate, verify. A program of
// one's own registers its models, optimisers, data sets and transforms and calls this; apps/main.cpp registers
// nothing.

namespace striate {

/// Runs the subcommand that the arguments name and returns the exit status: 0, 1 for an error, 2 for a command line
/// that cannot be understood, 130 where it was interrupted. Errors go to stderr; nothing is thrown. Output that did not
/// arrive on stdout (a full disk, a closed pipe) is an error too, told at the end. From here on the process ignores
/// SIGXFSZ and SIGPIPE, so that a file beyond a size limit and a reader that went are failed writes with a message.
int run(int argc, char** argv);

}  // namespace striate

#pragma once
// --conv: the algorithm of convolutions, by its name in layers/conv/kernels.h.

#include <string>

#include "layers/conv/kernels.h"

namespace CLI {
class App;
}

namespace striate::cli {

/// What --conv does, with the names of the algorithms.
std::string conv_flag_help();

/// Declares --conv on `app`.
void add_conv_flag(CLI::App& app, std::string& name);

/// The algorithm of this name, null for automatic. Throws UsageError with the nearest name.
const ConvAlgorithm* conv_algorithm_of(const std::string& name);

}  // namespace striate::cli

#pragma once
// --conv: the algorithm of convolutions.

#include <CLI/CLI.hpp>
#include <string>

#include "layers/conv/kernels.h"

namespace striate::cli {

/// Declares --conv on `app`.
void add_conv_flag(CLI::App& app, std::string& name);

/// The algorithm of this name. Throws UsageError with the nearest that there is.
ConvAlgorithm conv_algorithm_of(const std::string& name);

}  // namespace striate::cli

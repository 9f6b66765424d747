#pragma once
// Numbers that tell one input of a run from another: `train` keeps them in checkpoints, so that a run is not resumed
// with other data, and `ablate` compares them between runs.

#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace striate::cli {

/// Of all labels, pixels and the normalization.
std::string fingerprint(const Dataset& dataset);

/// Of a file's bytes. Throws FileError.
std::string fingerprint(const std::filesystem::path& file);

}  // namespace striate::cli

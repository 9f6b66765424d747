#pragma once
// Numbers that tell one input of a run from another.

#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace striate::cli {

/// Of all labels and pixels.
std::string fingerprint(const Dataset& dataset);

/// Of a file's bytes. Throws FileError.
std::string fingerprint(const std::filesystem::path& file);

}  // namespace striate::cli

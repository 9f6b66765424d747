#pragma once
// Where train, eval and ablate look for data when --data is not given.

#include <filesystem>
#include <string>

namespace striate::cli {

/// Whether the data set `format` (as in load_dataset) lies somewhere: those that are found by their names only need
/// not.
bool needs_path(const std::string& format);

/// The given path, else $STRIATE_DATA, else, for CIFAR-10, ~/.cache/striate/cifar-10-batches-bin. Where none of them is
/// there, an empty path for a `format` that needs none; throws UsageError for others.
std::filesystem::path data_path(const std::string& given, const std::string& format);

}  // namespace striate::cli

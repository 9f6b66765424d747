#pragma once
// Where data is looked for when --data is not given.

#include <filesystem>
#include <string>

namespace striate::cli {

/// The given folder, else $STRIATE_DATA, else ~/.cache/striate/cifar-10-batches-bin. Throws UsageError where
/// none of them is there to be used.
std::filesystem::path data_path(const std::string& given);

}  // namespace striate::cli

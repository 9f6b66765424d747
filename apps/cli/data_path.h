#pragma once
// Where train, eval and ablate look for data when --data is not given.

#include <filesystem>
#include <string>

namespace striate::cli {

/// The given path, else $STRIATE_DATA, else ~/.cache/striate/cifar-10-batches-bin. Where none of them is there, throws
/// UsageError, or returns an empty path for a data set that was named (`format`, as in load_dataset): it may need none.
std::filesystem::path data_path(const std::string& given, const std::string& format = "");

}  // namespace striate::cli

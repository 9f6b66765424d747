#pragma once
// A data set's training and test images together, as a training run needs them: normalised alike, and with a part of
// the training images held out to choose by.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

struct Splits {
  Dataset train;
  Dataset validation{};  ///< to choose by; no tensors where there are none
  Dataset test{};        ///< no tensors where only validation images are there
};

struct SplitOptions {
  double validation = 0;   ///< the part of the training images that is held out, in every class alike; 0 <= it < 1
  std::uint64_t seed = 0;  ///< which they are
  /// Names of the classes that will be used, where not all are: of others, a single image may stay where it is. Which
  /// images are held out does not depend on them.
  std::vector<std::string> classes = {};
  /// Without, a format that has no normalization of its own leaves it empty: the caller knows it.
  bool measure_normalization = true;
};

/// What there is of the splits by load_dataset, with what the training images leave of load.cache_bytes for the others,
/// and validation images held out as the options say. Where the format has no normalization of its own, all get
/// measured_normalization(train), unless the options say otherwise. Throws as load_dataset and hold_out, and FileError
/// where there would be neither validation nor test images.
Splits load_splits(const std::filesystem::path& path, const std::string& format = "", const DataOptions& load = {},
                   const SplitOptions& options = {});

/// The mean and standard deviation of every channel over all pixels of the stored images (before any transform), summed
/// exactly, or over all samples of recordings. Of `load`, its progress is told.
Normalization measured_normalization(const Dataset& dataset, const DataOptions& load = {});

/// Moves a part of every class of splits.train, rounded and at least one image of two, to splits.validation. Throws
/// std::invalid_argument for a part outside [0,1) and where one of the classes has a single image.
void hold_out(Splits& splits, const SplitOptions& options);

}  // namespace striate

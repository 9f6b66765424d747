#pragma once
// The labels of pixels on their way into a batch. Loader (data/loader.cpp) calls.

#include <cstdint>

#include "data/augment.h"
#include "data/dataset.h"
#include "data/transform.h"

namespace striate {

/// The label of a pixel that counts for nothing: PyTorch's ignore_index, which cross_entropy leaves out by default.
inline constexpr std::int64_t kIgnoredLabel = -100;

/// The label map of picture i, which has the size of `stored`, moved by the transforms and as `augment` moves its image
/// (cutout and erasing leave it)
/// -> the labels (height,width) of the batch's image; kIgnoredLabel for pixels without a class and for padding. `place`
/// is what random numbers depend on. Throws as ImageSource::label_map, and std::invalid_argument for a map that is not
/// of its picture's size.
void fill_labels(const Dataset& dataset, std::int64_t i, const ImageShape& stored, const Transforms& transforms,
                 const DrawPlace& place, const AugmentOptions& augment, std::int64_t* labels);

}  // namespace striate

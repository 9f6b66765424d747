#pragma once
// Label maps as pictures: what `predict` writes of a model for segmentation, and what `eval --pictures` draws.

#include <cstdint>
#include <string>

#include "data/dataset.h"
#include "models/weights.h"

namespace striate::cli {

/// A PNG of classes i64 (H,W): as indices into a palette (PASCAL VOC's colours, from its second), 255 and black for
/// those below 0. The data set segmentation-folder reads it as it is.
std::string label_map_png(const Tensor& classes);

/// The same as a picture, u8 (H,W,3), those below 0 in black.
Tensor coloured_labels(const Tensor& classes);

/// A PNG with a row for each of `count` images (all where there are fewer), at even distances through the data set: the
/// image, its labels, and the model's.
std::string comparison_png(const LoadedModel& loaded, const Dataset& dataset, std::int64_t count);

}  // namespace striate::cli

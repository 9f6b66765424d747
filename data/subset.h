#pragma once
// Parts of a data set: some of its classes, a few images of each. `train` and `eval` choose by them.

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace striate {

/// The images at these places, copied, with their labels. Throws std::invalid_argument for places beyond the end.
Dataset images_at(const Dataset& dataset, const std::vector<std::int64_t>& places);

/// `count` images (all where there are fewer) that stand for the whole, copied, in the data set's order: every class
/// has its share of them, to one image, and which they are is drawn from the seed. Throws std::invalid_argument
/// below 1.
Dataset sample_images(const Dataset& dataset, std::int64_t count, std::uint64_t seed = 0);

/// The images of these classes, copied, in the data set's order; class_names are `names`, and label i is names[i].
/// Throws std::invalid_argument for no names, for a name given twice, and for an unknown one (with the nearest and
/// all that there are).
Dataset choose_classes(const Dataset& dataset, const std::vector<std::string>& names);

/// The first `count` images of every class (all where it has fewer), copied, in the data set's order. Throws
/// std::invalid_argument below 1.
Dataset first_per_class(const Dataset& dataset, std::int64_t count);

}  // namespace striate

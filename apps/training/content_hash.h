#pragma once
// A hash that tells one training set, or one teacher, from another: a resumed run must have the one that it began with.
// Called by Trainer and `striate ablate`.

#include <string>

#include "core/module.h"
#include "data/dataset.h"

namespace striate {

/// Of all labels, pixels and the normalization, with their number: "50000 images, 10 classes, xxh3 123abc".
std::string content_hash(const Dataset& dataset);

/// The same of the images as they are stored, whatever is made of them: for HeldOut (models/model_card.h).
std::string stored_images_hash(Dataset dataset);

/// Of all parameters and buffers.
std::string content_hash(const Module& model);

}  // namespace striate

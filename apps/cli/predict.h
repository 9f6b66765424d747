#pragma once
// What a model says of one file: for `predict`, and for the pictures of `show` that ask the same.

#include <string>

#include "models/weights.h"

namespace striate::cli {

/// The probability of each class, (1,K) or of pixels (1,H,W,K), for normalised `input` (1,H,W,C) out of `file`. Throws
/// std::runtime_error where they are not as many as the card's classes, or not finite.
Tensor probabilities_of(const LoadedModel& loaded, const Tensor& input, const std::string& file);

}  // namespace striate::cli

#pragma once
// Checks and arithmetic that the models here share.

#include <cstdint>
#include <string>

namespace striate {

/// channels * width_multiplier, rounded down, at least 1.
std::int64_t scaled(std::int64_t channels, double width_multiplier);

/// Throws std::invalid_argument unless there is at least one class and one input channel.
void check_counts(const std::string& model, std::int64_t classes, std::int64_t in_channels);

/// Throws std::invalid_argument unless the multiplier is above 0 and at most 64.
void check_width(const std::string& model, double width_multiplier);

}  // namespace striate

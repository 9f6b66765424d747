#pragma once
// What the networks here have in common.

#include <cstdint>
#include <string>

namespace striate {

/// channels * width_multiplier, rounded down, at least 1.
std::int64_t scaled(std::int64_t channels, double width_multiplier);

/// Throws std::invalid_argument "[model] rule, got ..." unless ok.
void check_option(bool ok, const std::string& model, const std::string& rule, const std::string& got);

/// The rules for what every model has: a width above 0 and at most 64, at least one class and input channel.
void check_sizes(const std::string& model, double width_multiplier, std::int64_t classes, std::int64_t in_channels);

}  // namespace striate

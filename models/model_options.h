#pragma once
// Checks and arithmetic that the models here share.

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/check.h"

namespace striate {

/// channels * width_multiplier, rounded down, at least 1.
inline std::int64_t scaled(std::int64_t channels, double width_multiplier) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(channels) * width_multiplier));
}

/// Throws std::invalid_argument for what no model can be.
inline void check_sizes(const std::string& model, std::int64_t classes, std::int64_t in_channels,
                        double width_multiplier = 1) {
  expect(classes >= 1, model, "at least 1 class", classes);
  expect(in_channels >= 1, model, "at least 1 input channel", in_channels);
  expect(width_multiplier > 0 && width_multiplier <= 64, model, "a width_multiplier above 0 and at most 64",
         width_multiplier);
}

}  // namespace striate

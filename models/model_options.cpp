#include "models/model_options.h"

#include <algorithm>

#include "core/check.h"

namespace striate {

std::int64_t scaled(std::int64_t channels, double width_multiplier) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(channels) * width_multiplier));
}

void check_counts(const std::string& model, std::int64_t classes, std::int64_t in_channels) {
  expect(classes >= 1, model, "at least 1 class", classes);
  expect(in_channels >= 1, model, "at least 1 input channel", in_channels);
}

void check_width(const std::string& model, double width_multiplier) {
  expect(width_multiplier > 0 && width_multiplier <= 64, model, "a width_multiplier above 0 and at most 64",
         width_multiplier);
}

}  // namespace striate

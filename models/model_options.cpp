#include "models/model_options.h"

#include <algorithm>
#include <stdexcept>

namespace striate {

std::int64_t scaled(std::int64_t channels, double width_multiplier) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(channels) * width_multiplier));
}

void check_option(bool ok, const std::string& model, const std::string& rule, const std::string& got) {
  if (!ok) throw std::invalid_argument("[" + model + "] " + rule + ", got " + got);
}

void check_sizes(const std::string& model, double width_multiplier, std::int64_t classes, std::int64_t in_channels) {
  check_option(width_multiplier > 0 && width_multiplier <= 64, model, "width_multiplier must be above 0 and at most 64",
               std::to_string(width_multiplier));
  check_option(classes >= 1, model, "classes must be at least 1", std::to_string(classes));
  check_option(in_channels >= 1, model, "in_channels must be at least 1", std::to_string(in_channels));
}

}  // namespace striate

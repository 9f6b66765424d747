#include "apps/cli/loss_scale.h"

#include <limits>

#include "apps/cli/command_line.h"

namespace striate::cli {

std::optional<LossScalerOptions> loss_scale_of(const std::string& text, const std::string& precision) {
  if (text == "automatic" && precision != "fp16") return std::nullopt;
  if (text == "automatic" || text == "dynamic") return LossScalerOptions{};
  double scale = 0;
  const bool number = CLI::detail::lexical_cast(text, scale);
  const bool fits = scale >= std::numeric_limits<float>::min() && scale <= std::numeric_limits<float>::max();
  require(number && fits, "loss-scale", "automatic, dynamic or a number from 1.2e-38 to 3.4e38", text);
  return LossScalerOptions{.init_scale = scale, .dynamic = false};
}

}  // namespace striate::cli

#pragma once
// --loss-scale.

#include <optional>
#include <string>

#include "optim/loss_scaler.h"

namespace striate::cli {

/// "dynamic", a number above 0 (a scale that stays), or "automatic": dynamic for fp16, and none for the others, which
/// is nullopt. With any scale, updates with gradients that are not finite are left out. Throws UsageError.
std::optional<LossScalerOptions> loss_scale_of(const std::string& text, const std::string& precision);

}  // namespace striate::cli

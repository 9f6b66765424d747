#pragma once
// What --loss-scale means. Called by the check of train's flags and where they become options of the training.

#include <optional>
#include <string>

#include "optim/loss_scaler.h"

namespace striate::cli {

/// "dynamic", a number above 0 (a fixed scale), or "automatic": dynamic for fp16, none (nullopt) for other precisions.
/// With any scale, steps whose gradients are not finite are skipped. Throws UsageError.
std::optional<LossScalerOptions> loss_scale_of(const std::string& text, const std::string& precision);

}  // namespace striate::cli

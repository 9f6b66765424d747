#pragma once
// The chart of an ablation, as SVG. Called by apps/ablate/report.cpp.

#include <string>

#include "apps/ablate/report.h"

namespace striate::cli {

/// An SVG with a panel for each table: a line per row with a dot for every seed's last-epoch test accuracy, a
/// bar at the mean and a whisker over its 95% interval. Readable on light and dark pages.
std::string chart_svg(const Results& results);

}  // namespace striate::cli

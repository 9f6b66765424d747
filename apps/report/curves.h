#pragma once
// Curves over epochs as SVG for a page (apps/report/html.h has its style): told apart by colour, marker and dashes.

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace striate::cli {

struct Curve {
  std::string label;
  std::size_t series = 0;                              ///< of colour and marker
  std::size_t dashes = 0;                              ///< 0: a line; 1 to 3
  std::vector<std::pair<double, double>> points = {};  ///< by x
  std::vector<std::array<double, 3>> band = {};        ///< x, lowest, highest; none where there is one value a point
};

/// A figure with its legend and, for those who cannot see it, where each curve begins, ends and has its extremes.
/// `unit` stands behind numbers. The axis is logarithmic where a few values lie far above all others. Empty without a
/// point.
std::string curves_figure(const std::string& title, const std::vector<Curve>& all, const std::string& unit = "");

}  // namespace striate::cli

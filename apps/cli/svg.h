#pragma once
// The little of SVG that charts need. Called by apps/ablate/chart.cpp and apps/cli/find_lr.cpp.

#include <string>

namespace striate::cli {

/// A whole file with its own background, readable on light and dark pages. `body` has what stands in it, by these
/// classes: of text "title", "small", "quiet"; of lines "grid", "mean", "whisker", "curve"; of areas "band", "dot",
/// "beyond" (a hollow dot).
std::string svg_file(double width, double height, const std::string& body);

/// `anchor`: start, middle or end of the text stands at x.
std::string svg_text(double x, double y, const char* anchor, const char* kind, const std::string& text);
std::string svg_line(double x1, double y1, double x2, double y2, const char* kind);

}  // namespace striate::cli

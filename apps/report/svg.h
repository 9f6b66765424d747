#pragma once
// The little of SVG that charts need. Called by apps/ablate/chart.cpp, apps/cli/find_lr.cpp and apps/report/curves.cpp.

#include <string>

namespace striate::cli {

/// The text as it stands between tags, and in the quotes of attributes, of XML and HTML.
std::string escaped(const std::string& text);

/// A step between ticks, 2, 5 or 10 times a power of ten, of which the range has six or fewer.
double tick_step(double range);

/// A whole file with its own background, readable on light and dark pages. `body` has what stands in it, by these
/// classes: of text "title", "small", "quiet"; of lines "grid", "mean", "whisker", "curve"; of areas "band", "dot",
/// "beyond" (a hollow dot).
std::string svg_file(double width, double height, const std::string& body);

/// `anchor`: start, middle or end of the text stands at x.
std::string svg_text(double x, double y, const char* anchor, const char* kind, const std::string& text);
std::string svg_line(double x1, double y1, double x2, double y2, const char* kind);

}  // namespace striate::cli

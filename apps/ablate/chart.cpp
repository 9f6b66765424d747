// The chart of an ablation: chart_svg() of apps/ablate/report.h.

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "apps/ablate/report.h"
#include "apps/ablate/statistics.h"

namespace striate::cli {
namespace {

constexpr double kWidth = 900;
constexpr double kLeft = 210;   // of the plot; labels stand before it
constexpr double kRight = 800;  // the means stand behind it
constexpr double kRow = 28;
constexpr double kHead = 46;       // of a panel: its title
constexpr double kFoot = 44;       // its axis
constexpr double kMostShown = 20;  // percentage points below the best run

// Own background, so that it reads the same on any page; dark where the viewer says that it is.
constexpr const char* kStyle = R"(<style>
  .paper{fill:#ffffff} text{fill:#24292f;font:13px sans-serif} .title{font-weight:bold;font-size:14px}
  .small{font-size:11px} .quiet{fill:#6e7781} .grid{stroke:#d8dee4} .band{fill:#f6f8fa}
  .dot{fill:#0969da;fill-opacity:.75} .beyond{fill-opacity:0;stroke:#0969da}
  .mean{stroke:#24292f;stroke-width:2.5} .whisker{stroke:#57606a;stroke-width:1.2}
  @media (prefers-color-scheme:dark){
    .paper{fill:#0d1117} text{fill:#e6edf3} .quiet{fill:#8d96a0} .grid{stroke:#30363d} .band{fill:#161b22}
    .dot{fill:#58a6ff} .beyond{stroke:#58a6ff} .mean{stroke:#f0f6fc} .whisker{stroke:#adbac7}
  }
</style>
)";

// Percent, from the left edge of all panels to the right one.
struct Axis {
  double low = 0;
  double high = 100;
  double step = 20;

  [[nodiscard]] double at(double percent) const {
    return kLeft + (std::clamp(percent, low, high) - low) / (high - low) * (kRight - kLeft);
  }
};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return result;
}

std::string text_at(double x, double y, const char* anchor, const char* kind, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y, anchor, kind,
                     escaped(text));
}

std::string line_at(double x1, double y1, double x2, double y2, const char* kind) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1, x2, y2,
                     kind);
}

std::vector<double> percents(const CellResults& cell) {
  std::vector<double> values = cell.values("test_accuracy");
  for (double& value : values) value *= 100;
  return values;
}

// Room for the dots alone: the interval of two seeds can be many times as wide as what was seen, and is cut off.
// A cell that learned next to nothing must not squeeze all others: its dots are cut off, too.
Axis axis_of(const Results& results) {
  double low = 100;
  double high = 0;
  for (const CellResults& cell : results.cells) {
    for (const double value : percents(cell)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) return {};
  low = std::max(low, high - kMostShown);
  const double margin = std::max(0.5, (high - low) * 0.15);
  Axis axis;
  const double rough = (high - low + 2 * margin) / 6;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  axis.step = power * (rough / power < 2 ? 2 : rough / power < 5 ? 5 : 10);
  axis.low = std::max(0.0, std::floor((low - margin) / axis.step) * axis.step);
  axis.high = std::min(100.0, std::ceil((high + margin) / axis.step) * axis.step);
  return axis;
}

std::string row_svg(const CellResults& cell, const std::string& label, const Axis& axis, double y) {
  std::string svg = text_at(kLeft - 14, y + 4, "end", "", label);
  const std::vector<double> values = percents(cell);
  if (values.empty()) {
    const bool failed = cell.count(RunState::failed) > 0;
    return svg + text_at(kLeft + 10, y + 4, "start", "small quiet", failed ? "failed" : "no run yet");
  }
  if (const auto interval = mean_interval(values)) {
    const double left = axis.at(interval->low());
    const double right = axis.at(interval->high());
    svg += line_at(left, y, right, y, "whisker");
    // Where the axis cuts the interval off, no cap.
    if (interval->low() >= axis.low) svg += line_at(left, y - 5, left, y + 5, "whisker");
    if (interval->high() <= axis.high) svg += line_at(right, y - 5, right, y + 5, "whisker");
  }
  const double centre = axis.at(mean(values));
  svg += line_at(centre, y - 9, centre, y + 9, "mean");
  for (const double value : values) {
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" class=\"{}\"/>\n", axis.at(value), y,
                       value < axis.low ? "dot beyond" : "dot");
  }
  return svg + text_at(kRight + 14, y + 4, "start", "", fmt::format("{:.2f}%", mean(values)));
}

std::string panel_svg(const Results& results, const Table& table, const Axis& axis, double top) {
  std::string svg = text_at(16, top + 28, "start", "title", table.title);
  const double bottom = top + kHead + kRow * static_cast<double>(table.rows.size());
  for (std::size_t i = 0; i < table.rows.size(); i += 2) {
    svg += fmt::format("<rect x=\"0\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" class=\"band\"/>\n",
                       top + kHead + kRow * static_cast<double>(i), kWidth, kRow);
  }
  const auto ticks = static_cast<int>(std::lround((axis.high - axis.low) / axis.step));
  for (int i = 0; i <= ticks; ++i) {
    const double value = axis.low + i * axis.step;
    svg += line_at(axis.at(value), top + kHead, axis.at(value), bottom, "grid");
    svg += text_at(axis.at(value), bottom + 16, "middle", "small quiet", fmt::format("{:g}%", value));
  }
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Row& row = table.rows[i];
    svg += row_svg(results.cells[row.cell], row.label, axis, top + kHead + kRow * (static_cast<double>(i) + 0.5));
  }
  return svg;
}

}  // namespace

std::string chart_svg(const Results& results) {
  const Axis axis = axis_of(results);
  std::string panels;
  double top = 0;
  for (const Table& table : results.recipe->tables) {
    panels += panel_svg(results, table, axis, top);
    top += kHead + kRow * static_cast<double>(table.rows.size()) + kFoot;
  }
  const double height = top + 28;
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n",
             kWidth, height) +
         kStyle + fmt::format("<rect width=\"{}\" height=\"{}\" class=\"paper\"/>\n", kWidth, height) + panels +
         text_at(16, top, "start", "small quiet",
                 "Test accuracy after the last epoch: a dot for every seed, a bar at the mean, a line over the mean's "
                 "95% interval.") +
         text_at(16, top + 16, "start", "small quiet",
                 "Intervals are cut off where the axis ends; a hollow dot lies beyond its left end.") +
         "</svg>\n";
}

}  // namespace striate::cli

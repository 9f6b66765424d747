// The chart of an ablation: chart_svg() of apps/ablate/report.h.

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "apps/ablate/deltas.h"
#include "apps/ablate/report.h"
#include "apps/ablate/statistics.h"
#include "apps/report/svg.h"

namespace striate::cli {
namespace {

constexpr double kWidth = 1000;
constexpr double kLeft = 210;    // of the plot; labels stand before it
constexpr double kRight = 790;   // the means stand behind it
constexpr double kDeltas = 880;  // the deltas behind those
constexpr double kRow = 28;
constexpr double kHead = 46;       // of a panel: its title
constexpr double kFoot = 44;       // its axis
constexpr double kMostShown = 20;  // percentage points below the best run

// Percent, from the left edge of all panels to the right one.
struct Axis {
  double low = 0;
  double high = 100;
  double step = 20;

  [[nodiscard]] double at(double percent) const {
    return kLeft + (std::clamp(percent, low, high) - low) / (high - low) * (kRight - kLeft);
  }
};

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
  axis.step = tick_step(high - low + 2 * margin);
  axis.low = std::max(0.0, std::floor((low - margin) / axis.step) * axis.step);
  axis.high = std::min(100.0, std::ceil((high + margin) / axis.step) * axis.step);
  return axis;
}

std::string row_svg(const CellResults& cell, const std::string& label, const Axis& axis, double y) {
  std::string svg = svg_text(kLeft - 14, y + 4, "end", "", label);
  const std::vector<double> values = percents(cell);
  if (values.empty()) {
    const bool failed = cell.count(RunState::failed) > 0;
    return svg + svg_text(kLeft + 10, y + 4, "start", "small quiet", failed ? "failed" : "no run yet");
  }
  if (const auto interval = mean_interval(values)) {
    const double left = axis.at(interval->low());
    const double right = axis.at(interval->high());
    svg += svg_line(left, y, right, y, "whisker");
    // Where the axis cuts the interval off, no cap.
    if (interval->low() >= axis.low) svg += svg_line(left, y - 5, left, y + 5, "whisker");
    if (interval->high() <= axis.high) svg += svg_line(right, y - 5, right, y + 5, "whisker");
  }
  const double centre = axis.at(mean(values));
  svg += svg_line(centre, y - 9, centre, y + 9, "mean");
  for (const double value : values) {
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" class=\"{}\"/>\n", axis.at(value), y,
                       value < axis.low ? "dot beyond" : "dot");
  }
  return svg + svg_text(kRight + 14, y + 4, "start", "", fmt::format("{:.2f}%", mean(values)));
}

// "+1.09 ± 2.56"; grey where it is not resolved.
std::string delta_svg(const Delta& delta, double y) {
  if (delta.seeds.empty()) return "";
  std::string text = fmt::format("{:+.2f}", 100 * delta.mean);
  if (delta.paired) text += fmt::format(" ± {:.2f}", 100 * delta.paired->interval.half_width);
  return svg_text(kDeltas, y + 4, "start", delta.resolved() ? "" : "quiet", text);
}

std::string panel_svg(const Results& results, const Table& table, const Axis& axis, double top) {
  std::string svg = svg_text(16, top + 28, "start", "title", table.title);
  const double bottom = top + kHead + kRow * static_cast<double>(table.rows.size());
  for (std::size_t i = 0; i < table.rows.size(); i += 2) {
    svg += fmt::format("<rect x=\"0\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" class=\"band\"/>\n",
                       top + kHead + kRow * static_cast<double>(i), kWidth, kRow);
  }
  const auto ticks = static_cast<int>(std::lround((axis.high - axis.low) / axis.step));
  for (int i = 0; i <= ticks; ++i) {
    const double value = axis.low + i * axis.step;
    svg += svg_line(axis.at(value), top + kHead, axis.at(value), bottom, "grid");
    svg += svg_text(axis.at(value), bottom + 16, "middle", "small quiet", fmt::format("{:g}%", value));
  }
  const auto middle = [&](std::size_t row) { return top + kHead + kRow * (static_cast<double>(row) + 0.5); };
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Row& row = table.rows[i];
    svg += row_svg(results.cells[row.cell], row.label, axis, middle(i));
  }
  for (const Delta& delta : table_deltas(results, table)) svg += delta_svg(delta, middle(delta.row));
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
  panels +=
      svg_text(16, top, "start", "small quiet",
               "Test accuracy after the last epoch: a dot for every seed, a bar at the mean, a line over the mean's "
               "95% interval; behind it the delta by pairs of seeds.");
  panels +=
      svg_text(16, top + 16, "start", "small quiet",
               "Intervals are cut off where the axis ends; a hollow dot lies beyond its left end. A grey delta is "
               "not resolved after Holm's correction.");
  return svg_file(kWidth, top + 28, panels);
}

}  // namespace striate::cli

#include "apps/report/curves.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "apps/report/html.h"
#include "apps/report/svg.h"
#include "core/printable.h"

namespace striate::cli {
namespace {

constexpr double kWidth = 440, kHeight = 260;
constexpr double kLeft = 52, kRight = 430, kTop = 8, kBottom = 232;
constexpr std::size_t kSeries = 8;        // of colours
constexpr std::size_t kMarkers = 7;       // on a curve, about
constexpr double kFarAbove = 20;          // times the median: the axis becomes logarithmic
constexpr std::size_t kMostInWords = 12;  // curves

// A range of values and where they lie on the paper.
struct Axis {
  double low, high, from, to;
  bool logarithmic = false;

  [[nodiscard]] double at(double value) const {
    const auto scaled = [&](double v) { return logarithmic ? std::log10(v) : v; };
    return from + (scaled(value) - scaled(low)) / (scaled(high) - scaled(low)) * (to - from);
  }
  [[nodiscard]] std::vector<double> ticks() const {
    std::vector<double> all;
    if (logarithmic) {
      for (int exponent = static_cast<int>(std::floor(std::log10(low))); std::pow(10, exponent) <= high; ++exponent) {
        for (const double tick : {std::pow(10, exponent), 3 * std::pow(10, exponent)}) {
          if (tick >= low && tick <= high) all.push_back(tick);
        }
      }
      return all;
    }
    const double step = tick_step(high - low);
    for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
      all.push_back(i * step + 0.0);  // no -0
    return all;
  }
};

// Values that rounding alone tells apart have no ticks between them.
bool hardly_apart(const Axis& axis) {
  return axis.high - axis.low <= 1e-9 * std::max(std::abs(axis.low), std::abs(axis.high));
}

Axis x_axis(const std::vector<Curve>& curves) {
  Axis axis{.low = 1e300, .high = -1e300, .from = kLeft + 8, .to = kRight - 8};
  for (const Curve& curve : curves) {
    for (const auto& [x, y] : curve.points) axis.low = std::min(axis.low, x), axis.high = std::max(axis.high, x);
  }
  if (hardly_apart(axis)) {
    const double margin = std::max(1.0, 0.1 * std::abs(axis.low));
    axis.low -= margin, axis.high += margin;
  }
  return axis;
}

Axis y_axis(const std::vector<Curve>& curves) {
  std::vector<double> values;
  for (const Curve& curve : curves) {
    for (const auto& [x, y] : curve.points) values.push_back(y);
    for (const auto& [x, low, high] : curve.band) values.insert(values.end(), {low, high});
  }
  std::sort(values.begin(), values.end());
  Axis axis{.low = values.front(), .high = values.back(), .from = kBottom, .to = kTop};
  axis.logarithmic = axis.low > 0 && axis.high > kFarAbove * values[values.size() / 2];
  if (hardly_apart(axis)) {
    const double margin = axis.low == 0 ? 1 : 0.1 * std::abs(axis.low);
    axis.low -= margin, axis.high += margin;
  } else if (!axis.logarithmic) {
    const double margin = 0.04 * (axis.high - axis.low);
    axis.low = axis.low >= 0 ? std::max(0.0, axis.low - margin) : axis.low - margin;
    axis.high += margin;
  }
  return axis;
}

std::string marker(std::size_t series, double x, double y) {
  const auto path = [&](const char* shape) {
    return fmt::format("<path class=\"f{0}\" transform=\"translate({1:.1f} {2:.1f})\" d=\"{3}\"/>", series % kSeries, x,
                       y, shape);
  };
  switch (series % kSeries) {
    case 0:
      return path("M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0");
    case 1:
      return path("M-3 -3H3V3H-3z");
    case 2:
      return path("M0 -4L4 3H-4z");
    case 3:
      return path("M0 -4.5L4.5 0L0 4.5L-4.5 0z");
    case 4:
      return path("M0 4L4 -3H-4z");
    case 5:
      return path("M-4 -1H-1V-4H1V-1H4V1H1V4H-1V1H-4z");
    case 6:
      return path("M-4 -1.5H4V1.5H-4z");
    default:
      return path("M-1.5 -4H1.5V4H-1.5z");
  }
}

std::string line(const Curve& curve, const Axis& x, const Axis& y) {
  std::string text;
  if (!curve.band.empty()) {
    std::string there, back;
    for (const auto& [at, low, high] : curve.band) {
      there += fmt::format("{}{:.1f} {:.1f}", there.empty() ? "M" : "L", x.at(at), y.at(high));
      back = fmt::format("L{:.1f} {:.1f}", x.at(at), y.at(low)) + back;
    }
    text += fmt::format("<path class=\"area f{}\" d=\"{}{}z\"/>\n", curve.series % kSeries, there, back);
  }
  std::string path, markers;
  const std::size_t every = std::max<std::size_t>(1, curve.points.size() / kMarkers);
  for (std::size_t i = 0; i < curve.points.size(); ++i) {
    const auto [at, value] = curve.points[i];
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x.at(at), y.at(value));
    if ((i + curve.series + curve.dashes) % every == 0) markers += marker(curve.series, x.at(at), y.at(value));
  }
  return text + fmt::format("<path class=\"curve s{} d{}\" d=\"{}\"/>{}\n", curve.series % kSeries, curve.dashes, path,
                            markers);
}

std::string axes(const Axis& x, const Axis& y) {
  std::string text;
  for (const double tick : y.ticks()) {
    text += svg_line(kLeft, y.at(tick), kRight, y.at(tick), "tick");
    text += svg_text(kLeft - 6, y.at(tick) + 4, "end", "", fmt::format("{:.6g}", tick));
  }
  for (const double tick : x.ticks()) {
    if (tick == std::floor(tick)) text += svg_text(x.at(tick), kBottom + 16, "middle", "", fmt::format("{:g}", tick));
  }
  return text + svg_text((kLeft + kRight) / 2, kHeight - 2, "middle", "", "epoch");
}

std::string in_words(const Curve& curve, const std::string& unit) {
  const auto [low, high] = std::minmax_element(curve.points.begin(), curve.points.end(),
                                               [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto at = [&](const auto& point) {
    return fmt::format("{:.4g}{} at epoch {:g}", point.second, unit, point.first);
  };
  return fmt::format("{}: {}, {}; lowest {}, highest {}.", curve.label, at(curve.points.front()),
                     at(curve.points.back()), at(*low), at(*high));
}

}  // namespace

std::string curves_figure(const std::string& title, const std::vector<Curve>& all, const std::string& unit) {
  std::vector<Curve> curves = all;
  std::erase_if(curves, [](const Curve& curve) { return curve.points.empty(); });
  if (curves.empty()) return "";
  const Axis x = x_axis(curves), y = y_axis(curves);
  std::string words = title + " by epoch.", key, lines;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (i < kMostInWords) words += " " + in_words(curves[i], unit);
    if (i == kMostInWords) words += fmt::format(" And {} more curves.", curves.size() - i);
    key += fmt::format(
        "<li><svg viewBox=\"0 0 34 12\" aria-hidden=\"true\"><path class=\"curve s{} d{}\" d=\"M0 6H34\"/>{}"
        "</svg> {}</li>",
        curves[i].series % kSeries, curves[i].dashes, marker(curves[i].series, 17, 6),
        escaped(printable(curves[i].label)));
    lines += line(curves[i], x, y);
  }
  const std::string caption = title + (unit.empty() ? "" : ", " + unit) + (y.logarithmic ? ", logarithmic" : "");
  return fmt::format(
      "<figure><figcaption>{}</figcaption><svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\">\n{}{}</svg>\n"
      "<ul class=\"key\">{}</ul></figure>\n",
      escaped(caption), escaped(printable(words, 4096)), kWidth, kHeight, axes(x, y), lines, key);
}

}  // namespace striate::cli

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "models/summary.h"

namespace striate {
namespace {

using Line = std::vector<std::string>;

std::string thousands(double value) {
  std::string digits = std::to_string(std::llround(value));
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string thousands(std::int64_t value) { return thousands(static_cast<double>(value)); }

std::string size_text(const SummaryRow& row) {
  const std::string height = std::to_string(row.height);
  return row.height == row.width ? height : height + "x" + std::to_string(row.width);
}

Line line_of(std::size_t number, const SummaryRow& row) {
  return {std::to_string(number),
          row.name,
          size_text(row),
          std::to_string(row.jump),
          std::to_string(row.receptive_field),
          thousands(row.parameters),
          thousands(row.multiply_adds),
          thousands(row.activation_bytes),
          thousands(row.dense_parameters),
          row.path};
}

std::string aligned(const std::vector<Line>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const Line& line : lines) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - line[i].size(), ' ');
      const bool is_text = i == 1 || i + 1 == line.size();
      out += (i == 0 ? "" : "  ") + (is_text ? line[i] + padding : padding + line[i]);
    }
    text += out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

std::string format_summary(const Summary& summary) {
  std::vector<Line> lines = {
      {"#", "name", "n", "j", "RF", "parameters", "multiply-adds", "activation bytes", "dense parameters", "path"}};
  for (std::size_t i = 0; i < summary.rows.size(); ++i) lines.push_back(line_of(i, summary.rows[i]));
  lines.push_back({"", "total", "", "", "", thousands(summary.parameters), thousands(summary.multiply_adds),
                   thousands(summary.activation_bytes), thousands(summary.dense_parameters), ""});
  return aligned(lines);
}

}  // namespace striate

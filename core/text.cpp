#include "core/text.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace striate {
namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
  // row[j] is the distance of the first i characters of a from the first j of b.
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// Code points of UTF-8: all bytes but those that go on with one.
std::size_t characters_in(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

}  // namespace

std::string nearest_name(const std::string& given, const std::vector<std::string>& names) {
  const std::string begin = given.substr(0, 100);  // of text that a file may hold
  const auto nearest = std::min_element(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(begin, a) < edit_distance(begin, b);
  });
  return nearest == names.end() ? "" : *nearest;
}

std::string listed(const std::vector<std::string>& lines) {
  constexpr std::size_t most = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(lines.size(), most); ++i) text += "\n  " + lines[i];
  return lines.size() <= most ? text : text + "\n  and " + std::to_string(lines.size() - most) + " more";
}

std::string text_table(const std::vector<std::vector<std::string>>& rows, const std::string& alignment) {
  std::vector<std::size_t> widths(alignment.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], characters_in(row.at(i)));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string padding(widths[i] - characters_in(row[i]), ' ');
      line += (i == 0 ? "" : "  ") + (alignment[i] == 'l' ? row[i] + padding : padding + row[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace striate

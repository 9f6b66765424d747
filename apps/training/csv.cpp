#include "apps/training/csv.h"

#include <stdexcept>

namespace striate {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::vector<std::vector<std::string>> csv_lines(const std::string& text) {
  if (text.empty()) throw std::runtime_error("is empty");
  std::vector<std::vector<std::string>> lines = {{""}};
  const auto fail = [&](const std::string& what) {
    throw std::runtime_error("line " + std::to_string(lines.size()) + " " + what);
  };
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::string& field = lines.back().back();
    if (c == '\0') fail("has a NUL byte");
    if (c == '"' && quoted && text.substr(i, 2) == "\"\"") {
      field += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (quoted || (c != ',' && c != '\n')) {
      field += c;
    } else if (c == ',') {
      lines.back().emplace_back();
    } else {
      const std::size_t columns = lines.back().size();
      if (columns != lines[0].size()) {
        fail("has " + std::to_string(columns) + " columns, the first line " + std::to_string(lines[0].size()));
      }
      lines.push_back({""});
    }
  }
  if (quoted || text.back() != '\n') fail("is cut off");
  lines.pop_back();
  return lines;
}

}  // namespace striate

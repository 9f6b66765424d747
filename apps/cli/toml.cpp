#include "apps/cli/toml.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>

#include "apps/cli/command_line.h"
#include "core/text.h"

namespace {

struct NoName {};
[[noreturn]] bool no_name() { throw NoName(); }

}  // namespace

// toml++ only asserts that a name follows the [ of a table, which a file may lack: an exception, with NDEBUG too.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>((expression) || no_name())
// With the limits below a file cannot nest so deep that reading it overflows the stack.
#define TOML_MAX_NESTED_VALUES 8
#include <toml++/toml.h>

namespace striate::cli {
namespace {

constexpr std::ptrdiff_t kMostDots = 500;  // of a line: each may be a table in a table

std::string real_text(double value) {
  const std::string text = fmt::format("{}", value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

// In front of what is wrong there.
std::string place(const std::string& name, const toml::source_region& source) {
  return fmt::format("{}, line {}: ", name, source.begin.line);
}

std::string scalar_text(const toml::node& node, const std::string& name) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return real_text(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  throw UsageError(place(name, node.source()) + "expected a number, true, false, text in quotes, or an array of these");
}

std::string value_text(const toml::node& node, const std::string& name) {
  if (!node.is_array()) return scalar_text(node, name);
  std::vector<std::string> items;
  for (const toml::node& item : *node.as_array()) items.push_back(scalar_text(item, name));
  return joined(items, ",");
}

using Position = toml::source_position;

// The lines of a table and of those in it, with their places in the file: toml++ sorts all by name. A table that only
// holds others ("trick" of [trick.cosine]) is not there.
void flatten(const toml::table& table, const std::string& header, const std::string& name,
             std::map<Position, TomlTable>& tables) {
  std::map<Position, Values::value_type> lines;
  bool holds_others = false;
  for (const auto& [key, node] : table) {
    const std::string own(key.str());
    if (const auto* inner = node.as_table()) {
      holds_others = true;
      flatten(*inner, header.empty() ? own : header + "." + own, name, tables);
    } else {
      lines.emplace(node.source().begin, Values::value_type(own, value_text(node, name)));
    }
  }
  if (lines.empty() && holds_others && !header.empty()) return;
  TomlTable& flat = tables[header.empty() ? Position{} : table.source().begin];
  flat.header = header;
  for (auto& [at, line] : lines) flat.values.push_back(std::move(line));
}

// Whether the value read back without quotes is the same text again.
bool bare(const std::string& value) {
  if (value == "true" || value == "false") return true;
  if (const auto whole = number_in<std::int64_t>(value)) return std::to_string(*whole) == value;
  const auto real = number_in<double>(value);
  return real && std::isfinite(*real) && real_text(*real) == value;
}

std::string quoted(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n' || c == '\t') {
      result += c == '\n' ? "\\n" : "\\t";
    } else if ((c >= 0 && c < ' ') || c == '\x7f') {
      result += fmt::format("\\u{:04X}", static_cast<int>(c));
    } else {
      result += c;
    }
  }
  return '"' + result + '"';
}

// Whether a line begins with [ and no name of a table behind it.
bool lacks_name(const std::string& line) {
  const std::size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  const std::size_t name = std::min(line.find_first_not_of("[ \t"), line.size());
  const char first = name < line.size() ? line[name] : ' ';
  return begin < name && std::isalnum(static_cast<unsigned char>(first)) == 0 &&
         std::string_view("-_\"'").find(first) == std::string_view::npos;
}

}  // namespace

std::vector<TomlTable> parse_toml_tables(const std::string& text, const std::string& name) {
  if (text.size() > kLongestToml) throw UsageError(name + ": expected a file of flags, got more than a megabyte");
  const std::vector<std::string> lines = split(text, '\n');
  std::size_t line = 0;
  for (const std::string& content : lines) {
    ++line;
    if (std::count(content.begin(), content.end(), '.') <= kMostDots) continue;
    throw UsageError(fmt::format("{}, line {}: expected at most {} dots in a line", name, line, kMostDots));
  }
  try {
    std::map<Position, TomlTable> tables;
    flatten(toml::parse(text), "", name, tables);
    std::vector<TomlTable> in_order;
    for (auto& [at, table] : tables) in_order.push_back(std::move(table));
    return in_order;
  } catch (const toml::parse_error& error) {
    throw UsageError(place(name, error.source()) + std::string(error.description()));
  } catch (const NoName&) {
    const auto nameless = std::find_if(lines.begin(), lines.end(), lacks_name) - lines.begin();
    throw UsageError(fmt::format("{}, line {}: expected a table's name behind [; letters beyond a-z stand in quotes",
                                 name, nameless + 1));
  }
}

Values parse_toml(const std::string& text, const std::string& name) {
  const auto tables = parse_toml_tables(text, name);
  if (tables.size() > 1) throw UsageError(name + ": expected flags alone, got a table [" + tables[1].header + "]");
  return tables[0].values;
}

std::string to_toml(const Values& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    if (!value.empty()) text += name + " = " + (bare(value) ? value : quoted(value)) + "\n";
  }
  return text;
}

}  // namespace striate::cli

#include "apps/cli/toml.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <sstream>

#include "apps/cli/command_line.h"
#include "core/text.h"

namespace striate::cli {
namespace {

const std::regex& number() {
  static const std::regex pattern(R"([+-]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|[+-]?(inf|nan))");
  return pattern;
}

// Reads one line from left to right.
class LineReader {
 public:
  LineReader(const std::string& line, std::string where) : line_(line), where_(std::move(where)) {}

  void skip_space() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) ++at_;
  }
  [[nodiscard]] bool at_end() const { return at_ == line_.size() || line_[at_] == '#'; }
  [[nodiscard]] char peek() const { return at_ < line_.size() ? line_[at_] : '\0'; }
  [[noreturn]] void fail(const std::string& expected) const {
    throw UsageError(where_ + ": expected " + expected + ", got \"" + line_.substr(at_) + "\"");
  }

  void expect(char wanted) {
    skip_space();
    if (peek() != wanted) fail(std::string("'") + wanted + "'");
    ++at_;
    skip_space();
  }
  std::string word(const char* what) {
    const std::size_t begin = at_;
    while (std::isalnum(static_cast<unsigned char>(peek())) != 0 ||
           (peek() != '\0' && std::string("+-._").find(peek()) != std::string::npos))
      ++at_;
    if (at_ == begin) fail(what);
    return line_.substr(begin, at_ - begin);
  }
  std::string scalar() {
    if (peek() == '"' || peek() == '\'') return quoted(peek());
    const std::size_t begin = at_;
    std::string bare = word("a value");
    if (bare == "true" || bare == "false" || std::regex_match(bare, number())) return bare;
    at_ = begin;
    fail("a number, true, false, or text in quotes");
  }
  std::string value() {
    if (peek() != '[') return scalar();
    std::vector<std::string> items;
    for (expect('['); peek() != ']';) {
      items.push_back(scalar());
      skip_space();
      if (peek() != ']') expect(',');
    }
    ++at_;
    return joined(items, ",");
  }

 private:
  // Text in double quotes knows \" \\ \n \t; in single ones everything stands for itself.
  std::string quoted(char quote) {
    std::string text;
    for (++at_; peek() != quote; ++at_) {
      if (at_ >= line_.size()) fail("a closing quote");
      if (quote == '"' && peek() == '\\') {
        const std::string escapes = "\"\"\\\\n\nt\t";
        ++at_;
        std::size_t found = 0;
        while (found < escapes.size() && escapes[found] != peek()) found += 2;
        if (found >= escapes.size()) fail("one of \\\" \\\\ \\n \\t");
        text += escapes[found + 1];
      } else {
        text += peek();
      }
    }
    ++at_;
    return text;
  }

  const std::string& line_;
  std::string where_;
  std::size_t at_ = 0;
};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
  }
  return result;
}

std::string read_header(LineReader& reader) {
  reader.expect('[');
  std::string header = reader.word("a table's name");
  reader.expect(']');
  return header;
}

std::pair<std::string, std::string> read_value(LineReader& reader) {
  std::string key = reader.word("a flag's name");
  reader.expect('=');
  std::string value = reader.value();
  reader.skip_space();
  return {std::move(key), std::move(value)};
}

}  // namespace

std::vector<TomlTable> parse_toml_tables(const std::string& text, const std::string& name) {
  std::vector<TomlTable> tables(1);
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = name + ", line " + std::to_string(++count);
    LineReader reader(line, where);
    reader.skip_space();
    if (reader.at_end()) continue;
    const bool header = reader.peek() == '[';
    if (header) {
      tables.push_back({.header = read_header(reader), .values = {}});
    } else {
      tables.back().values.push_back(read_value(reader));
    }
    if (!reader.at_end()) reader.fail("the end of the line");
    const TomlTable& table = tables.back();
    const auto& keys = table.values;
    const bool twice = header ? std::any_of(tables.begin(), tables.end() - 1,
                                            [&](const TomlTable& other) { return other.header == table.header; })
                              : std::any_of(keys.begin(), keys.end() - 1,
                                            [&](const auto& other) { return other.first == keys.back().first; });
    if (twice) throw UsageError(where + ": " + (header ? table.header : keys.back().first) + " stands there twice");
  }
  return tables;
}

Values parse_toml(const std::string& text, const std::string& name) {
  const auto tables = parse_toml_tables(text, name);
  if (tables.size() > 1) throw UsageError(name + ": expected flags alone, got a table [" + tables[1].header + "]");
  return tables[0].values;
}

std::string to_toml(const Values& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    if (value.empty()) continue;
    const bool bare = value == "true" || value == "false" || std::regex_match(value, number());
    text += name + " = " + (bare ? value : "\"" + escaped(value) + "\"") + "\n";
  }
  return text;
}

}  // namespace striate::cli

#pragma once
// Files of flags (config.toml, --config) and recipes: TOML whose values are numbers, booleans, strings and arrays of
// these. toml++ reads it.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace striate::cli {

/// Of a file, in bytes.
inline constexpr std::size_t kLongestToml = std::size_t{1} << 20U;

using Values = std::vector<std::pair<std::string, std::string>>;

/// Keys with their values as flags take them; an array becomes "a,b,c". `name` stands in front of errors.
/// Throws UsageError for anything that is no such file, and for a key that comes twice.
Values parse_toml(const std::string& text, const std::string& name);

/// A [header] and its lines; `header` is empty for those before the first one, which are there even if empty.
struct TomlTable {
  std::string header;
  Values values;
};

/// The same with tables, in the file's order. A header that comes twice is an error too.
std::vector<TomlTable> parse_toml_tables(const std::string& text, const std::string& name);

/// "key = value" lines that parse_toml reads back; empty values are omitted.
std::string to_toml(const Values& values);

}  // namespace striate::cli

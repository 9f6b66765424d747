#pragma once
// Text of messages and reports: lists of names, "did you mean ...?", tables.

#include <string>
#include <vector>

namespace striate {

/// "a, b, c" of a range of texts.
template <class Range>
std::string joined(const Range& items, const char* separator = ", ") {
  std::string text;
  const char* between = "";
  for (const auto& item : items) {
    text += between;
    text += item;
    between = separator;
  }
  return text;
}

/// "\n  a\n  b" of the first ten lines, and how many more there are.
std::string listed(const std::vector<std::string>& lines);

/// The name with the smallest edit distance (Levenshtein: insertions, deletions, replacements) to what was
/// given; the first of several. Empty where there are no names.
std::string nearest_name(const std::string& given, const std::vector<std::string>& names);

/// A line for each row, every column as wide as its widest cell in characters (code points of UTF-8), two spaces
/// between columns. `alignment` has an 'l' or an 'r' for each column. All rows have as many cells.
std::string text_table(const std::vector<std::vector<std::string>>& rows, const std::string& alignment);

}  // namespace striate

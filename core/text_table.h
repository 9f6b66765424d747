#pragma once
// Tables in plain text, for summaries and reports on a terminal.

#include <string>
#include <vector>

namespace striate {

/// A line for each row, every column as wide as its widest cell, two spaces between columns. `alignment` has an 'l' or
/// an 'r' for each column. All rows have as many cells.
std::string text_table(const std::vector<std::vector<std::string>>& rows, const std::string& alignment);

}  // namespace striate

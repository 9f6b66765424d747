#pragma once
// Comma-separated values: a confusion matrix, and what an ablation writes, and reads back from files that may have been
// damaged since. Called by apps/training/classification.cpp, apps/ablate/runs.cpp and report.cpp.

#include <string>
#include <vector>

namespace striate {

/// The text as a field: in quotes where a comma, a quote or the end of a line stands in it.
std::string csv_field(const std::string& text);

/// The lines of a file, field by field; the first names the columns. Throws std::runtime_error that names the line, for
/// a file that is empty, for NUL bytes, a last line without its end, an open quote, and lines of other columns than the
/// first.
std::vector<std::vector<std::string>> csv_lines(const std::string& text);

}  // namespace striate

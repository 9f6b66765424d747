#pragma once
// "Did you mean ...?" for error messages.

#include <string>
#include <vector>

namespace striate {

/// The name with the smallest edit distance (Levenshtein: insertions, deletions, replacements) to what was
/// given; the first of several. Empty where there are no names.
std::string nearest_name(const std::string& given, const std::vector<std::string>& names);

}  // namespace striate

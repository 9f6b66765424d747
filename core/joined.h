#pragma once
// Lists of names in messages.

#include <string>

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

}  // namespace striate

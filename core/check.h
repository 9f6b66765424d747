#pragma once
// Checks of arguments, and the one wording of what they throw.

#include <sstream>
#include <stdexcept>
#include <string>

namespace striate {

/// Throws std::invalid_argument("[op] expected EXPECTED, got GOT") unless `holds`. GOT is anything that prints.
template <class Got>
void expect(bool holds, const std::string& op, const std::string& expected, const Got& got) {
  if (holds) return;
  std::ostringstream message;
  message << "[" << op << "] expected " << expected << ", got " << got;
  throw std::invalid_argument(message.str());
}

}  // namespace striate

#pragma once
// Checks of arguments, and the one wording of what they throw. Shapes have shape_error() in core/error.h.

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/printable.h"

namespace striate {

/// Throws std::invalid_argument("[op] expected EXPECTED, got GOT") unless `holds`. GOT is anything that prints or has a
/// to_string(); text is made printable().
template <class Got>
void expect(bool holds, const std::string& op, const std::string& expected, const Got& got) {
  if (holds) return;
  std::ostringstream message;
  message << "[" << op << "] expected " << expected << ", got ";
  if constexpr (requires { std::string_view(got); }) {
    message << printable(got, 4096);
  } else if constexpr (requires { message << got; }) {
    message << got;
  } else {
    message << to_string(got);
  }
  throw std::invalid_argument(message.str());
}

}  // namespace striate

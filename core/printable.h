#pragma once
// Text that came from a file or a user (names of tensors, classes, files, metadata), made safe to stand in a message.

#include <cstddef>
#include <string>
#include <string_view>

namespace striate {

/// The text with control characters (terminals obey them), characters that turn the direction of what follows, and
/// bytes that are not UTF-8 written as "\x1b". Of longer text the first `most` bytes or so, and "...".
std::string printable(std::string_view text, std::size_t most = 200);

bool is_utf8(std::string_view text);

}  // namespace striate

#include "core/printable.h"

namespace striate {
namespace {

/// The length of the UTF-8 character that `text` begins with, 0 where there is none: overlong forms, surrogates and
/// what lies beyond U+10FFFF are none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  }
  const unsigned least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  return byte(1) >= least && byte(1) <= most ? length : 0;
}

/// Of a whole character: C0 and C1 controls, delete, line and paragraph separators, and those that turn text around.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x20 || first == 0x7f) return true;
  if (first == 0xc2) return static_cast<unsigned char>(character[1]) < 0xa0;
  const bool separates = character >= "\xe2\x80\xa8" && character <= "\xe2\x80\xae";  // U+2028 to U+202E
  const bool isolates = character >= "\xe2\x81\xa6" && character <= "\xe2\x81\xa9";   // U+2066 to U+2069
  return separates || isolates;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  constexpr const char* digits = "0123456789abcdef";
  std::string shown;
  while (!text.empty() && shown.size() < most) {
    const std::size_t length = character_length(text);
    const std::string_view next = text.substr(0, length == 0 ? 1 : length);
    if (length > 0 && !is_control(next)) {
      shown += next;
    } else {
      for (const char c : next) {
        const auto byte = static_cast<unsigned char>(c);
        shown += std::string("\\x") + digits[byte / 16] + digits[byte % 16];
      }
    }
    text.remove_prefix(next.size());
  }
  return text.empty() ? shown : shown + "...";
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace striate

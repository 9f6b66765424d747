#pragma once
// Whole-number arithmetic of block sizes and chunk counts.

#include <cstdint>

namespace striate {

/// a / b rounded up, for a >= 0 and b > 0.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b == 0 ? 0 : 1); }

/// The least multiple of b that is at least a, for a >= 0 and b > 0.
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

/// The place within 0 .. size-1 of one up to size-1 outside, reflected at the border without repeating it, as PyTorch's
/// "reflect" padding.
inline std::int64_t reflected(std::int64_t place, std::int64_t size) {
  if (place < 0) return -place;
  return place < size ? place : 2 * (size - 1) - place;
}

}  // namespace striate

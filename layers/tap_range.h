#pragma once
// Which taps of a kernel or pooling window lie inside the input.

#include <cstdint>

namespace striate {

/// The taps begin .. end-1.
struct TapRange {
  std::int64_t begin;
  std::int64_t end;
};

/// Those of taps 0 .. taps-1 with place(tap) in [0, size). Places rise with the taps.
template <class Place>
TapRange taps_inside(std::int64_t taps, std::int64_t size, Place place) {
  TapRange range{0, taps};
  while (range.begin < range.end && place(range.begin) < 0) ++range.begin;
  while (range.begin < range.end && place(range.end - 1) >= size) --range.end;
  return range;
}

}  // namespace striate

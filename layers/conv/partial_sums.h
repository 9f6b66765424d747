#pragma once
// The end of a weight gradient whose sum was cut into parts, so that more threads share it or caches hold its operands.

#include <cstdint>

#include "core/parallel.h"

namespace striate {

/// sum (size) += parts (count, size), one part after the other: the same bits for any number of threads.
inline void add_parts(const float* parts, std::int64_t count, std::int64_t size, float* sum) {
  if (count == 0) return;
  parallel_for(size, 4096, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = 0; part < count; ++part) {
      for (std::int64_t i = begin; i < end; ++i) sum[i] += parts[part * size + i];
    }
  });
}

}  // namespace striate

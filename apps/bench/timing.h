#pragma once
// Wall time of work that is done again and again: for `bench`.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace striate::cli {

/// Seconds of each of so many calls.
template <class Call>
std::vector<double> seconds_of(std::int64_t calls, const Call& call) {
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < calls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return seconds;
}

/// Of one value or more.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace striate::cli

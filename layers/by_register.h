#pragma once
// Loops over values a register at a time, the rest one by one: one kernel text for registers and single
// values.

#include <cstdint>
#include <type_traits>

#include "core/dtype.h"
#include "core/simd.h"

namespace striate {

/// Calls f(zero, m, i) for i from 0 below `count` in steps of m times what `zero` holds. That is a Vec{} with
/// m of `group`, then of 1, and for the last few values, and for double, a P{} with m of 1; m is an
/// integral_constant. Where rows lie apart in memory, groups let a kernel read enough of each in one piece.
template <class P, int group, class F>
void by_register_group(std::int64_t count, F&& f) {
  using One = std::integral_constant<int, 1>;
  std::int64_t i = 0;
  if constexpr (std::is_same_v<P, float>) {
    for (; i + group * lanes <= count; i += group * lanes) f(Vec{}, std::integral_constant<int, group>{}, i);
    for (; i + lanes <= count; i += lanes) f(Vec{}, One{}, i);
  }
  for (; i < count; ++i) f(P{0}, One{}, i);
}

/// The same in single steps: f(zero, i).
template <class P, class F>
void by_register(std::int64_t count, F&& f) {
  by_register_group<P, 1>(count, [&](auto zero, auto /*one*/, std::int64_t i) { f(zero, i); });
}

/// How many values a V holds.
template <class V>
inline constexpr std::int64_t values_in = std::is_same_v<V, Vec> ? lanes : 1;

/// The values at `from` as a V: Vec, or the compute type of T for a single one.
template <class V, class T>
V read(const T* from) {
  if constexpr (std::is_same_v<V, Vec>) {
    return load(from);
  } else {
    return static_cast<V>(*from);
  }
}

template <class V, class T>
void write(T* to, V values) {
  if constexpr (std::is_same_v<V, Vec>) {
    store(to, values);
  } else {
    *to = static_cast<T>(values);
  }
}

/// `values` where the condition holds, else 0.
template <class Condition, class V>
V select(Condition condition, V values) {
#if defined(__AVX512F__)
  // Compilers would make this a masked load of `values`, which waits until memory has brought the condition.
  if constexpr (std::is_same_v<V, Vec>) __asm__("" : "+v"(values));
#endif
  return condition ? values : V{};
}

/// sum += values.
inline void add_to(double* sum, Vec values) {
  using Doubles = double __attribute__((vector_size(lanes * 8)));
  Doubles sums;
  std::memcpy(&sums, sum, sizeof sums);
  sums += __builtin_convertvector(values, Doubles);
  std::memcpy(sum, &sums, sizeof sums);
}

inline void add_to(double* sum, double value) { *sum += value; }

}  // namespace striate

#pragma once
// One register of floats at the build's widest instruction set, in the compilers' vector extensions:
// arithmetic is written with operators, and the same source serves AVX-512, AVX2 and plain x86-64. Every kernel
// loads and stores by this file; core/panel_product.h is the product on top of it.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/dtype.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace striate {

#if defined(__AVX512F__)
inline constexpr int lanes = 16;
#elif defined(__AVX__)
inline constexpr int lanes = 8;
#else
inline constexpr int lanes = 4;
#endif

using Vec = float __attribute__((vector_size(lanes * 4)));
using VecBits = std::uint32_t __attribute__((vector_size(lanes * 4)));
using VecHalf = std::uint16_t __attribute__((vector_size(lanes * 2)));

/// A register with one value in every lane.
inline Vec broadcast(float value) { return value - Vec{}; }

inline Vec load(const float* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline VecBits load(const std::uint32_t* from) {
  VecBits v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

/// The values behind the bits of T: bf16 or f16.
template <class T>
Vec from_bits(VecHalf half) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return std::bit_cast<Vec>(__builtin_convertvector(half, VecBits) << 16);
  } else {
#if defined(__AVX512F__)
    // Without a mask gcc 12's own header warns of what is not initialised.
    return std::bit_cast<Vec>(_mm512_maskz_cvtph_ps(0xffff, std::bit_cast<__m256i>(half)));
#else
    float16 values[lanes];
    std::memcpy(&values[0].bits, &half, sizeof half);
    Vec wide = {};
    for (int i = 0; i < lanes; ++i) wide[i] = static_cast<float>(values[i]);
    return wide;
#endif
  }
}

/// Of bf16 or f16.
template <class T>
Vec load(const T* from) {
  VecHalf half;
  std::memcpy(&half, &from->bits, sizeof half);
  return from_bits<T>(half);
}

inline void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }
inline void store(std::uint32_t* to, VecBits v) { std::memcpy(to, &v, sizeof v); }

/// Floats rounded to bf16 (to nearest, ties to even), each in the upper half of its lane; the lower half is
/// undefined.
inline VecBits round_bf16(Vec v) {
  const auto word = std::bit_cast<VecBits>(v);
  const VecBits rounded = word + 0x7fffU + ((word >> 16) & 1U);
  const auto is_nan = (word & 0x7fffffffU) > 0x7f800000U;
  return is_nan ? (word | 0x400000U) : rounded;
}

/// The bits of T, bf16 or f16, rounded from these values.
template <class T>
VecHalf to_bits(Vec v) {
  if constexpr (std::is_same_v<T, bfloat16>) {
#if defined(__AVX512BF16__)
    return std::bit_cast<VecHalf>(_mm512_cvtneps_pbh(std::bit_cast<__m512>(v)));
#else
    return __builtin_convertvector(round_bf16(v) >> 16, VecHalf);
#endif
  } else {
#if defined(__AVX512F__)
    return std::bit_cast<VecHalf>(_mm512_maskz_cvtps_ph(0xffff, std::bit_cast<__m512>(v), _MM_FROUND_TO_NEAREST_INT));
#else
    VecHalf half = {};
    for (int i = 0; i < lanes; ++i) half[i] = float16(v[i]).bits;
    return half;
#endif
  }
}

/// As bf16 or f16.
template <class T>
void store(T* to, Vec v) {
  const VecHalf half = to_bits<T>(v);
  std::memcpy(&to->bits, &half, sizeof half);
}

/// Two values, or two registers, as pairs of bf16: lane i holds low[i] in its lower half and high[i] in its upper one.
inline std::uint32_t pair_bf16(bfloat16 low, bfloat16 high) {
  return low.bits | static_cast<std::uint32_t>(high.bits) << 16U;
}

inline VecBits pair_bf16(Vec low, Vec high) {
#if defined(__AVX512BF16__)
  using Words = std::uint16_t __attribute__((vector_size(64)));
  const auto halves =
      std::bit_cast<Words>(_mm512_cvtne2ps_pbh(std::bit_cast<__m512>(high), std::bit_cast<__m512>(low)));
  return std::bit_cast<VecBits>(__builtin_shufflevector(halves, halves, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22,
                                                        7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                                        31));
#else
  return (round_bf16(high) & 0xffff0000U) | (round_bf16(low) >> 16);
#endif
}

/// The first `count` lanes by a mask; the others are 0 (load) or left alone (store).
template <class T>
Vec load_first(const T* from, std::ptrdiff_t count) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  const auto mask = static_cast<__mmask16>((1U << count) - 1);
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<Vec>(_mm512_maskz_loadu_ps(mask, from));
  } else {
    return from_bits<T>(std::bit_cast<VecHalf>(_mm256_maskz_loadu_epi16(mask, from)));
  }
#else
  T buffer[lanes] = {};
  std::copy_n(from, count, buffer);
  return load(buffer);
#endif
}

template <class T>
void store_first(T* to, Vec v, std::ptrdiff_t count) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  const auto mask = static_cast<__mmask16>((1U << count) - 1);
  if constexpr (std::is_same_v<T, float>) {
    _mm512_mask_storeu_ps(to, mask, std::bit_cast<__m512>(v));
  } else {
    _mm256_mask_storeu_epi16(to, mask, std::bit_cast<__m256i>(to_bits<T>(v)));
  }
#else
  T buffer[lanes];
  store(buffer, v);
  std::copy_n(buffer, count, to);
#endif
}

/// The first `count` of up to `lanes` lanes, by the plain instruction where that is all of them.
template <class T>
[[gnu::always_inline]] inline Vec load_lanes(const T* from, std::ptrdiff_t count) {
  return count == lanes ? load(from) : load_first(from, count);
}

template <class T>
[[gnu::always_inline]] inline void store_lanes(T* to, Vec v, std::ptrdiff_t count) {
  if (count == lanes) {
    store(to, v);
  } else {
    store_first(to, v, count);
  }
}

}  // namespace striate

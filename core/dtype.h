#pragma once
// Element types. f32 is the default, f64 the reference, bf16 and f16 low precision, i64 labels, u8 images.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "core/float16.h"

namespace striate {

enum class DType : std::uint8_t { f32, f64, bf16, f16, i64, u8 };

/// The upper half of an IEEE float: 8 exponent bits, 7 mantissa bits. Arithmetic happens in float.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  explicit bfloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    if ((word & 0x7fffffffU) > 0x7f800000U) {
      bits = static_cast<std::uint16_t>((word >> 16U) | 0x40U);
    } else {
      bits = static_cast<std::uint16_t>((word + 0x7fffU + ((word >> 16U) & 1U)) >> 16U);
    }
  }
  explicit bfloat16(double value) : bfloat16(static_cast<float>(value)) {}
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U); }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> : std::integral_constant<DType, DType::f32> {};
template <>
struct DTypeOf<double> : std::integral_constant<DType, DType::f64> {};
template <>
struct DTypeOf<bfloat16> : std::integral_constant<DType, DType::bf16> {};
template <>
struct DTypeOf<float16> : std::integral_constant<DType, DType::f16> {};
template <>
struct DTypeOf<std::int64_t> : std::integral_constant<DType, DType::i64> {};
template <>
struct DTypeOf<std::uint8_t> : std::integral_constant<DType, DType::u8> {};

constexpr std::size_t size_of(DType dtype) {
  constexpr std::array<std::size_t, 6> sizes = {4, 8, 2, 2, 8, 1};
  return sizes[static_cast<std::size_t>(dtype)];
}

constexpr bool is_floating(DType dtype) { return dtype <= DType::f16; }

/// Of the parameters, statistics and losses beside activations of this dtype: f32 beside bf16 and f16, else
/// the same.
constexpr DType parameter_dtype(DType activations) {
  return activations == DType::bf16 || activations == DType::f16 ? DType::f32 : activations;
}

inline std::string to_string(DType dtype) {
  constexpr std::array names = {"f32", "f64", "bf16", "f16", "i64", "u8"};
  return names[static_cast<std::size_t>(dtype)];
}

/// The type that arithmetic on T happens in: float for bf16 and f16, else T itself.
template <class T>
using compute_t = std::conditional_t<std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>, float, T>;

/// Calls f with a value of the C++ type behind a floating dtype (f32, f64, bf16 or f16): f(float{}), ...
/// Throws std::invalid_argument "[op] ..." for the others.
template <class F>
decltype(auto) dispatch_floating(const char* op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return std::forward<F>(f)(float{});
    case DType::f64:
      return std::forward<F>(f)(double{});
    case DType::bf16:
      return std::forward<F>(f)(bfloat16{});
    case DType::f16:
      return std::forward<F>(f)(float16{});
    default:
      throw std::invalid_argument("[" + std::string(op) + "] expected f32, f64, bf16 or f16, got " + to_string(dtype));
  }
}

/// Calls f with a value of the C++ type behind any dtype.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  if (dtype == DType::i64) return std::forward<F>(f)(std::int64_t{});
  if (dtype == DType::u8) return std::forward<F>(f)(std::uint8_t{});
  return dispatch_floating("dispatch", dtype, std::forward<F>(f));
}

}  // namespace striate

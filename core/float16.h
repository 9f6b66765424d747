#pragma once
// IEEE half precision as storage. Portable bit arithmetic without branches, since this header may be compiled for
// another instruction set than the library.

#include <bit>
#include <cstdint>

namespace striate {

/// IEEE binary16: 5 exponent bits, 10 mantissa bits; the largest value is 65504, the smallest normal 2^-14, the
/// smallest subnormal 2^-24. Arithmetic happens in float.
struct float16 {
  std::uint16_t bits = 0;

  float16() = default;
  /// Rounds to nearest, ties to even; from 65520 on to infinity, to 2^-25 to 0. NaN stays NaN, made quiet.
  explicit float16(float value) : bits(bits_of(value)) {}
  explicit float16(double value) : float16(static_cast<float>(value)) {}

  explicit operator float() const {
    constexpr std::uint32_t smallest_normal = 113U << 23U;  // 2^-14 as a float
    const std::uint32_t magnitude = (bits & 0x7fffU) << 13U;
    const std::uint32_t exponent = magnitude >> 23U;
    // A subnormal as what 2^-14 lacks without its leading bit: no float here is subnormal.
    const float small = std::bit_cast<float>(magnitude + smallest_normal) - std::bit_cast<float>(smallest_normal);
    const std::uint32_t quiet = magnitude > 0x0f800000U ? 0x400000U : 0U;
    const std::uint32_t large = exponent == 31 ? magnitude | 0x7f800000U | quiet : magnitude + (112U << 23U);
    const std::uint32_t word = exponent == 0 ? std::bit_cast<std::uint32_t>(small) : large;
    return std::bit_cast<float>(word | (bits & 0x8000U) << 16U);
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }

 private:
  static std::uint16_t bits_of(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t magnitude = word & 0x7fffffffU;
    // Floats from 1/2 on are as far apart as subnormal halves: the addition rounds.
    const std::uint32_t small = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000U;
    const std::uint32_t normal = (magnitude - (112U << 23U) + 0xfffU + ((magnitude >> 13U) & 1U)) >> 13U;
    const std::uint32_t huge = magnitude > 0x7f800000U ? 0x7e00U | ((magnitude >> 13U) & 0x3ffU) : 0x7c00U;
    const std::uint32_t finite = magnitude < 0x38800000U ? small : normal;  // below 2^-14
    return static_cast<std::uint16_t>((magnitude < 0x477ff000U ? finite : huge) | ((word >> 16U) & 0x8000U));
  }
};

}  // namespace striate

// Conversions to and from f16: the scalar ones, and those of whole registers.
#include "core/float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/simd.h"

namespace striate {
namespace {

float16 half_of(std::uint32_t bits) {
  float16 half;
  half.bits = static_cast<std::uint16_t>(bits);
  return half;
}

bool is_nan(float16 half) { return (half.bits & 0x7fffU) > 0x7c00U; }

/// What finite bits mean: sign, mantissa times a power of two.
double meaning(float16 half) {
  const auto exponent = static_cast<int>(half.bits >> 10U & 31U);
  const auto mantissa = static_cast<int>(half.bits & 0x3ffU);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (half.bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

/// A float to the nearest multiple of its place's ulp, ties to even, by arithmetic in double.
double nearest(double value) {
  const double ulp = std::ldexp(1, std::max(std::ilogb(value), -14) - 10);
  const double rounded = value == 0 ? value : std::nearbyint(value / ulp) * ulp;
  return std::abs(rounded) >= 65536 ? std::copysign(std::numeric_limits<double>::infinity(), value) : rounded;
}

TEST(Float16, EveryValueHasItsMeaningAndComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const float16 half = half_of(bits);
    const auto value = static_cast<float>(half);
    if (is_nan(half)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_EQ(float16(value).bits, bits | 0x200U);  // made quiet
    } else {
      const double expected =
          (bits & 0x7fffU) == 0x7c00U ? std::copysign(HUGE_VAL, bits == 0x7c00U ? 1 : -1) : meaning(half);
      ASSERT_EQ(value, expected) << bits;
      ASSERT_EQ(std::signbit(value), std::signbit(expected)) << bits;
      ASSERT_EQ(float16(value).bits, bits);
      ASSERT_EQ(float16(static_cast<double>(half)).bits, bits);
    }
  }
}

void expect_nearest(std::uint32_t word) {
  const auto value = std::bit_cast<float>(word);
  const float16 half(value);
  if (std::isnan(value)) {
    ASSERT_TRUE(is_nan(half)) << word;
    return;
  }
  ASSERT_EQ(static_cast<double>(half), nearest(value)) << value;
  ASSERT_EQ(std::signbit(static_cast<float>(half)), std::signbit(value)) << value;
}

// Floats around every half and around every middle of two, where rounding decides.
TEST(Float16, RoundsToNearestEven) {
  for (std::uint32_t bits = 0; bits < 0x7c00U; ++bits) {
    const auto below = static_cast<float>(half_of(bits));
    const float above = bits + 1 == 0x7c00U ? 65536 : static_cast<float>(half_of(bits + 1));
    for (const float centre : {below, (below + above) / 2}) {
      for (const int step : {-2, -1, 0, 1, 2}) {
        const std::uint32_t word = std::bit_cast<std::uint32_t>(centre) + static_cast<std::uint32_t>(step);
        expect_nearest(word);  // around 0 some are NaN
        expect_nearest(word ^ 0x80000000U);
      }
    }
  }
}

TEST(Float16, RoundsFloatsOfEverySize) {
  for (std::uint64_t word = 0; word <= 0xffffffffU; word += 4099) expect_nearest(static_cast<std::uint32_t>(word));
}

TEST(Float16, LimitsOfTheRange) {
  const auto round = [](float value) { return static_cast<float>(float16(value)); };
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(round(65504), 65504);
  EXPECT_EQ(round(std::nextafter(65520.0F, 0.0F)), 65504);
  EXPECT_EQ(round(65520), inf);
  EXPECT_EQ(round(-1e9F), -inf);
  EXPECT_EQ(round(inf), inf);
  EXPECT_EQ(round(0x1p-24F), 0x1p-24F);
  EXPECT_EQ(round(0x1p-25F), 0);  // a tie, to even
  EXPECT_EQ(round(std::nextafter(0x1p-25F, 1.0F)), 0x1p-24F);
  EXPECT_EQ(round(1e-8F), 0);
  EXPECT_TRUE(std::signbit(round(-1e-8F)));
}

// The instructions of the processor, where the build has them, do what the portable arithmetic does, bit by bit.
TEST(Float16, RegistersConvertAlike) {
  for (std::uint32_t first = 0; first < 0x10000U; first += lanes) {
    float16 halves[lanes];
    float wide[lanes];
    for (std::uint32_t i = 0; i < lanes; ++i) halves[i] = half_of(first + i);
    store(wide, load(halves));
    for (std::uint32_t i = 0; i < lanes; ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(static_cast<float>(halves[i])))
          << first + i;
    }
  }
  for (std::uint64_t first = 0; first + 4099 * lanes <= 0xffffffffU; first += 4099 * lanes) {
    float wide[lanes];
    float16 halves[lanes];
    for (std::uint64_t i = 0; i < lanes; ++i)
      wide[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + 4099 * i));
    store(halves, load(wide));
    for (int i = 0; i < lanes; ++i) ASSERT_EQ(halves[i].bits, float16(wide[i]).bits) << wide[i];
  }
}

TEST(Float16, PartsOfRegisters) {
  for (int count = 1; count <= lanes; ++count) {
    std::vector<float16> from(static_cast<std::size_t>(count), float16(1.5F));
    std::vector<float16> to(static_cast<std::size_t>(count) + 1, float16(7.0F));
    const Vec values = load_first(from.data(), count);
    for (int i = 0; i < lanes; ++i) EXPECT_EQ(values[i], i < count ? 1.5F : 0.0F);
    store_first(to.data(), values, count);
    for (int i = 0; i < count; ++i) EXPECT_EQ(static_cast<float>(to[static_cast<std::size_t>(i)]), 1.5F);
    EXPECT_EQ(static_cast<float>(to.back()), 7.0F);
  }
}

}  // namespace
}  // namespace striate

#include "core/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "core/check.h"

namespace striate {
namespace {

// 53 bits to [0, 1).
double to_unit(std::uint64_t bits) { return static_cast<double>(bits >> 11U) * 0x1p-53; }

std::uint64_t join(std::uint32_t high, std::uint32_t low) { return (std::uint64_t{high} << 32U) | low; }

}  // namespace

std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  std::array<std::uint32_t, 4> x = {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32U),
                                    static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32U)};
  auto key0 = static_cast<std::uint32_t>(seed);
  auto key1 = static_cast<std::uint32_t>(seed >> 32U);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53U} * x[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * x[2];
    x = {static_cast<std::uint32_t>(b >> 32U) ^ x[1] ^ key0, static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32U) ^ x[3] ^ key1, static_cast<std::uint32_t>(a)};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return x;
}

std::uint64_t RandomStream::bits(std::uint64_t index) const {
  const auto x = philox(seed, stream, index);
  return join(x[0], x[1]);
}

double RandomStream::uniform(std::uint64_t index) const { return to_unit(bits(index)); }

double RandomStream::normal(std::uint64_t index) const {
  const auto x = philox(seed, stream, index);
  const double u = 1 - to_unit(join(x[0], x[1]));  // (0, 1], so that the logarithm is finite
  const double v = to_unit(join(x[2], x[3]));
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

std::int64_t RandomStream::below(std::uint64_t index, std::int64_t n) const {
  // Off from uniform by less than n / 2^53.
  return static_cast<std::int64_t>(uniform(index) * static_cast<double>(n));
}

RandomStream random_stream(std::uint64_t seed, RandomUse use, std::uint64_t a, std::uint64_t b) {
  return {seed, (static_cast<std::uint64_t>(use) << 56U) | (a << 32U) | b};
}

std::vector<std::int64_t> permutation(RandomStream stream, std::int64_t n) {
  expect(n >= 0, "permutation", "a length of at least 0", n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t i = n - 1; i > 0; --i) {
    const std::int64_t j = stream.below(static_cast<std::uint64_t>(i), i + 1);
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
  }
  return order;
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) { default_generator() = Generator{seed, 0}; }

}  // namespace striate

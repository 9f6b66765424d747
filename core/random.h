#pragma once
// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011).
// A number is a pure function of (seed, stream, index), so it does not depend on threads or on what was drawn before.

#include <array>
#include <cstdint>
#include <vector>

namespace striate {

/// 128 random bits.
std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

/// Random numbers by index from one (seed, stream).
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;

  [[nodiscard]] std::uint64_t bits(std::uint64_t index) const;
  /// In [0, 1), 53 bits.
  [[nodiscard]] double uniform(std::uint64_t index) const;
  /// Standard normal (Box-Muller).
  [[nodiscard]] double normal(std::uint64_t index) const;
  /// In 0 .. n-1, n >= 1.
  [[nodiscard]] std::int64_t below(std::uint64_t index, std::int64_t n) const;
};

/// What a stream is for; streams of different purposes never meet.
enum class RandomUse : std::uint8_t { generator, shuffle, augment, mixup, generate, test, cutmix, transform, subset };

/// The stream for (use, a, b): a and b name it further, e.g. epoch and batch. a < 2^24, b < 2^32.
RandomStream random_stream(std::uint64_t seed, RandomUse use, std::uint64_t a = 0, std::uint64_t b = 0);

/// Draws in sequence from a stream, for code that needs a varying number of them.
class RandomSequence {
 public:
  explicit RandomSequence(RandomStream stream, std::uint64_t first = 0) : stream_(stream), next_(first) {}
  double uniform() { return stream_.uniform(next_++); }
  double normal() { return stream_.normal(next_++); }
  std::int64_t below(std::int64_t n) { return stream_.below(next_++, n); }

 private:
  RandomStream stream_;
  std::uint64_t next_;
};

/// A permutation of 0 .. n-1 (Fisher-Yates).
std::vector<std::int64_t> permutation(RandomStream stream, std::int64_t n);

/// What initialisers and dropout draw from: each draw takes the next stream. The whole state is two numbers.
struct Generator {
  std::uint64_t seed = 0;
  std::uint64_t draws = 0;
  RandomStream next() { return random_stream(seed, RandomUse::generator, 0, draws++); }
};

/// The process's generator (not for use from several threads at once).
Generator& default_generator();
/// Seeds the process's generator.
void manual_seed(std::uint64_t seed);

}  // namespace striate

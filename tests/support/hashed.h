#pragma once
// Numbers that C++ and Python compute alike: hashed(name, shape) is the same as that of
// tests/reference/hashed.py, bit for bit.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "tests/support/random_tensor.h"

namespace striate::testing_support {

/// 64 bits for place i of a named stream: splitmix64's finaliser over FNV-1a(name) * 2^32 + i.
class HashedStream {
 public:
  explicit HashedStream(const std::string& name) {
    std::uint32_t hash = 2166136261U;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    base_ = static_cast<std::uint64_t>(hash) << 32U;
  }

  [[nodiscard]] std::uint64_t bits(std::uint64_t i) const {
    std::uint64_t z = base_ + i;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  /// A multiple of 2^-20 in [-1, 1), exact in f32.
  [[nodiscard]] double value(std::uint64_t i) const {
    return static_cast<double>(static_cast<std::int64_t>(bits(i) >> 43U) - (1 << 20)) / (1 << 20);
  }
  /// An integer in 0 .. n-1.
  [[nodiscard]] std::int64_t below(std::uint64_t i, std::int64_t n) const {
    return static_cast<std::int64_t>((bits(i) >> 32U) % static_cast<std::uint64_t>(n));
  }
  /// 1 or -1.
  [[nodiscard]] double sign(std::uint64_t i) const { return (bits(i) >> 63U) == 0 ? 1 : -1; }

 private:
  std::uint64_t base_ = 0;
};

/// f64 values of a stream in row-major order: shapes are PyTorch's, as in files.
inline Tensor hashed(const std::string& name, Shape shape) {
  const HashedStream stream(name);
  Tensor result = Tensor::empty(std::move(shape), DType::f64);
  auto* values = result.mutable_data<double>();
  for (std::int64_t i = 0; i < result.numel(); ++i) values[i] = stream.value(static_cast<std::uint64_t>(i));
  return result;
}

/// i64 labels in 0 .. n-1.
inline Tensor hashed_below(const std::string& name, std::int64_t count, std::int64_t n) {
  const HashedStream stream(name);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(stream.below(static_cast<std::uint64_t>(i), n));
  return Tensor::from({count}, labels);
}

}  // namespace striate::testing_support

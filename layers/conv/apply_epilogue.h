#pragma once
// Applies a convolution's epilogue (algorithm.h) to sums in registers. Every kernel ends with it; the batch norm op has
// its formula from here.

#include <cstdint>
#include <type_traits>

#include "layers/by_register.h"
#include "layers/conv/algorithm.h"

namespace striate {

/// Batch norm, given its factors. Whether ReLU cuts a value depends on the rounding, so there is this one formula.
template <class V>
[[gnu::always_inline]] inline V normalised(V x, V mean, V scale, V shift) {
  return (x - mean) * scale + shift;
}

/// The epilogue of the channels that a V holds.
template <class V>
struct EpilogueOf {
  V bias, mean, scale, shift, least, most;
  bool norm;

  [[gnu::always_inline]] V operator()(V sum) const {
    const V y = sum + bias;
    if (!norm) return y;
    const V z = normalised(y, mean, scale, shift);
    return z < least ? least : z > most ? most : z;
  }
};

/// For the channels from c on, of which `count` exist.
template <class V, class P>
[[gnu::always_inline]] inline EpilogueOf<V> epilogue_of(const ConvEpilogue<P>& epilogue, std::int64_t c,
                                                        std::int64_t count = values_in<V>) {
  const auto values = [=](const P* from) {
    if (from == nullptr) return V{};
    if constexpr (std::is_same_v<V, Vec>) {
      return load_lanes(from + c, count);
    } else {
      return from[c];
    }
  };
  return {values(epilogue.bias), values(epilogue.mean), values(epilogue.scale),  values(epilogue.shift),
          V{} + epilogue.least,  V{} + epilogue.most,   epilogue.mean != nullptr};
}

}  // namespace striate

#pragma once
// The epilogue of a convolution, for sums in registers.

#include <cstdint>
#include <limits>
#include <type_traits>

#include "layers/by_register.h"
#include "layers/conv/epilogue.h"

namespace striate {

/// Batch norm, given its factors. What ReLU cuts, all that compute it must decide by the same rounding: they
/// all ask this.
template <class V>
[[gnu::always_inline]] inline V normalised(V x, V mean, V scale, V shift) {
  return (x - mean) * scale + shift;
}

/// The epilogue of the channels that a V holds.
template <class V>
struct EpilogueOf {
  V bias, mean, scale, shift, least;
  bool norm;

  [[gnu::always_inline]] V operator()(V sum) const {
    const V y = sum + bias;
    if (!norm) return y;
    const V z = normalised(y, mean, scale, shift);
    return z < least ? least : z;
  }
};

/// For the channels from c on, of which `count` exist.
template <class V, class P>
[[gnu::always_inline]] inline EpilogueOf<V> epilogue_of(const ConvEpilogue<P>& epilogue, std::int64_t c,
                                                        std::int64_t count = values_in<V>) {
  const auto values = [=](const P* from) {
    if (from == nullptr) return V{};
    if constexpr (std::is_same_v<V, Vec>) {
      if (count < lanes) return load_first(from + c, count);
    }
    return read<V>(from + c);
  };
  V least{};
  if (!epilogue.relu) least -= std::numeric_limits<P>::infinity();
  return {values(epilogue.bias),   values(epilogue.mean), values(epilogue.scale), values(epilogue.shift), least,
          epilogue.mean != nullptr};
}

}  // namespace striate

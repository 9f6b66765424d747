#include "layers/dropout.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/autograd.h"
#include "core/check.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/random.h"

namespace striate {
namespace {

void check_probability(double p) { expect(p >= 0 && p <= 1, "dropout", "p between 0 and 1", p); }

// x with the mask of this stream applied. Backward recomputes the mask instead of keeping it.
Tensor masked(const Tensor& x, double p, const RandomStream& stream) {
  constexpr std::int64_t words = 4;  // of 32 bits in one call of philox, one an element
  constexpr std::int64_t grain = 1 << 13;
  const auto threshold = static_cast<std::uint64_t>(p * 4294967296.0);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating("dropout", x.dtype(), [&]<class T>(T) {
    using P = compute_t<T>;
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    const auto scale = static_cast<P>(p < 1 ? 1 / (1 - p) : 0);
    parallel_for(x.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += words) {
        const auto bits = philox(stream.seed, stream.stream, static_cast<std::uint64_t>(i / words));
        for (std::int64_t j = i; j < std::min(end, i + words); ++j) {
          const bool kept = bits[static_cast<std::size_t>(j - i)] >= threshold;
          to[j] = static_cast<T>(kept ? static_cast<P>(from[j]) * scale : P{0});
        }
      }
    });
  });
  return y;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training) {
  check_probability(p);
  if (!training || p == 0) return x;
  const RandomStream stream = default_generator().next();
  Tensor y = masked(x, p, stream);
  record("dropout", y, {x}, [p, stream](Backward& bw) { bw.add(0, masked(bw.dy(), p, stream)); });
  return y;
}

Dropout::Dropout(Module& parent, std::string name, double p) : Layer(parent, std::move(name)), p_(p) {
  check_probability(p);
}

}  // namespace striate

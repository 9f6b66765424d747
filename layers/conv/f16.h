#pragma once
// Convolution of f16 activations by way of f32, called by kernels.cpp: results are those of f32's kernels on operands
// that f16 holds, parameters too, rounded to f16.

#include <cstdint>
#include <type_traits>

#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/by_register.h"

namespace striate {

template <class T>
struct Values {
  T* data;
  std::int64_t count;

  Values(T* values, std::int64_t of) : data(values), count(of) {}
};

template <class From, class To>
void convert(const From* from, Values<To> to) {
  parallel_for(to.count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    by_register<float>(end - begin, [=](auto zero, std::int64_t i) {
      write(to.data + begin + i, read<decltype(zero)>(from + begin + i));
    });
  });
}

inline Scratch<float> in_f32(Values<const float16> values) {
  Scratch<float> wide(values.count);
  convert(values.data, Values(wide.data(), values.count));
  return wide;
}

/// Parameters, as an f16 copy would hold them.
inline Scratch<float> in_f32(Values<const float> values) {
  Scratch<float16> low(values.count);
  convert(values.data, Values(low.data(), values.count));
  return in_f32(Values<const float16>(low.data(), values.count));
}

/// result = kernel(a, b, result) with all three in f32. Each is activations in f16 or parameters in f32.
template <class A, class B, class Result, class Kernel>
void by_way_of_f32(Values<const A> a, Values<const B> b, Values<Result> result, Kernel kernel) {
  Scratch<float> wide(result.count);
  kernel(in_f32(a).data(), in_f32(b).data(), wide.data());
  if constexpr (std::is_same_v<Result, float>) {
    convert(in_f32(Values<const float>(wide.data(), result.count)).data(), result);
  } else {
    convert(wide.data(), result);
  }
}

}  // namespace striate

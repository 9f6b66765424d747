#pragma once
// Elementwise ops of one input for layers: an activation is a name, its values and its gradient, as in
// layers/activations.cpp. Expressions are templates: they see a register of floats (core/simd.h) or a single value.

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/trace.h"
#include "layers/by_register.h"

namespace striate {

/// A constant in such an expression.
template <class V>
V constant(double value) {
  if constexpr (std::is_same_v<V, Vec>) {
    return broadcast(static_cast<float>(value));
  } else {
    return static_cast<V>(value);
  }
}

/// f of every lane, for functions that registers have no operator for.
template <class V, class F>
V lanewise(V values, F f) {
  if constexpr (std::is_same_v<V, Vec>) {
    for (int i = 0; i < lanes; ++i) values[i] = f(values[i]);
    return values;
  } else {
    return f(values);
  }
}

template <class V>
V exp_of(V values) {
  return lanewise(values, [](auto value) { return std::exp(value); });
}
template <class V>
V expm1_of(V values) {
  return lanewise(values, [](auto value) { return std::expm1(value); });
}
template <class V>
V log1p_of(V values) {
  return lanewise(values, [](auto value) { return std::log1p(value); });
}
template <class V>
V tanh_of(V values) {
  return lanewise(values, [](auto value) { return std::tanh(value); });
}
template <class V>
V erf_of(V values) {
  return lanewise(values, [](auto value) { return std::erf(value); });
}

/// Calls f(zero, i) for every place of a tensor, a register or one at a time.
template <class P, class F>
void for_all(std::int64_t count, F f) {
  parallel_for(count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    by_register<P>(end - begin, [=](auto zero, std::int64_t i) { f(zero, begin + i); });
  });
}

/// Which tensor the gradient of an op is computed from. The output is the better choice where it will do: the layer
/// after an activation mostly keeps it anyway.
enum class Keeps : std::uint8_t { input, output };

/// An op's form in ONNX that is one operator.
inline auto one_operator(const char* type) {
  return [type](Trace& t, Trace::Value x) { return t.add(type, {x}); };
}

/// Of an op that says of itself how it is written.
inline constexpr auto kNoForm = [](Trace& /*t*/, Trace::Value /*x*/) { return Trace::kNone; };

/// y = value(x); dx = gradient(dy, x), or gradient(dy, y) where the op keeps its output. Any shape; f32, f64, bf16 or
/// f16. form(trace, x) is how it is written in ONNX (core/trace.h).
template <class Value, class Gradient, class Form = decltype(kNoForm)>
Tensor unary(const char* op, const Tensor& x, Keeps keeps, Value value, Gradient gradient, Form form = kNoForm) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(op, x.dtype(), [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    for_all<compute_t<T>>(x.numel(), [=]<class V>(V, std::int64_t i) { write(to + i, value(read<V>(from + i))); });
  });
  record(op, y, {x}, [op, kept = Saved(keeps == Keeps::input ? x : y), gradient](Backward& bw) {
    Tensor dx = bw.reusable_dy();
    dispatch_floating(op, dx.dtype(), [&]<class T>(T) {
      const Tensor held = kept.get();
      const T* from = held.data<T>();
      const T* dy = bw.dy().data<T>();
      T* to = dx.mutable_data<T>();
      for_all<compute_t<T>>(
          dx.numel(), [=]<class V>(V, std::int64_t i) { write(to + i, gradient(read<V>(dy + i), read<V>(from + i))); });
    });
    bw.add(0, dx);
  });
  traced(y, [&](Trace& t) { return form(t, t.value(x)); });
  return y;
}

}  // namespace striate

#include "core/elementwise.h"

#include <cmath>
#include <cstdint>

#include "core/autograd.h"
#include "core/broadcast.h"
#include "core/parallel.h"
#include "core/reduce.h"
#include "core/trace.h"

namespace striate {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

// count outputs of f(a, b), where a step of 0 holds its side still. Three plain loops, so that each
// vectorises.
template <class T, class F>
void apply_run(const T* a, std::int64_t step_a, const T* b, std::int64_t step_b, T* y, std::int64_t count, F f) {
  using C = compute_t<T>;
  if (step_a == 0) {
    const C left = static_cast<C>(*a);
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(f(left, static_cast<C>(b[i])));
  } else if (step_b == 0) {
    const C right = static_cast<C>(*b);
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(f(static_cast<C>(a[i]), right));
  } else {
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(f(static_cast<C>(a[i]), static_cast<C>(b[i])));
  }
}

template <class F>
Tensor apply(const char* op, const Tensor& a, const Tensor& b, F f) {
  if (a.dtype() != b.dtype()) {
    shape_error(op, "both inputs must have one dtype: " + to_string(a.shape()) + " is " + to_string(a.dtype()) + ", " +
                        to_string(b.shape()) + " is " + to_string(b.dtype()));
  }
  const Broadcast broadcast(op, a.shape(), b.shape());
  Tensor y = Tensor::empty(broadcast.shape(), a.dtype());
  dispatch_floating(op, a.dtype(), [&]<class T>(T) {
    const T* from_a = a.data<T>();
    const T* from_b = b.data<T>();
    T* to = y.mutable_data<T>();
    parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      broadcast.for_each_run(
          begin, end, [&](std::int64_t out, std::int64_t in_a, std::int64_t in_b, std::int64_t count) {
            apply_run(from_a + in_a, broadcast.step_a(), from_b + in_b, broadcast.step_b(), to + out, count, f);
          });
    });
  });
  return y;
}

template <class F>
Tensor apply(const char* op, const Tensor& x, F f) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(op, x.dtype(), [&]<class T>(T) {
    using C = compute_t<T>;
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    parallel_for(x.numel(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(f(static_cast<C>(from[i])));
    });
  });
  return y;
}

// How these ops are written in ONNX: an operator, of one or two inputs.
void trace_as(const char* type, const Tensor& y, const Tensor& x) {
  traced(y, [&](Trace& t) { return t.add(type, {t.value(x)}); });
}
void trace_as(const char* type, const Tensor& y, const Tensor& a, const Tensor& b) {
  traced(y, [&](Trace& t) { return t.add(type, {t.broadcast(a, y.rank()), t.broadcast(b, y.rank())}); });
}

}  // namespace

// Nothing is recorded during a backward pass, so the closures compute with these same ops.

Tensor add(const Tensor& a, const Tensor& b) {
  Tensor y = apply("add", a, b, [](auto l, auto r) { return l + r; });
  record("add", y, {a, b}, [a_shape = a.shape(), b_shape = b.shape()](Backward& bw) {
    if (bw.wants(0)) bw.add(0, sum_to(bw.dy(), a_shape));
    if (bw.wants(1)) bw.add(1, sum_to(bw.dy(), b_shape));
  });
  trace_as("Add", y, a, b);
  return y;
}

Tensor sub(const Tensor& a, const Tensor& b) {
  Tensor y = apply("sub", a, b, [](auto l, auto r) { return l - r; });
  record("sub", y, {a, b}, [a_shape = a.shape(), b_shape = b.shape()](Backward& bw) {
    if (bw.wants(0)) bw.add(0, sum_to(bw.dy(), a_shape));
    if (bw.wants(1)) bw.add(1, -sum_to(bw.dy(), b_shape));
  });
  trace_as("Sub", y, a, b);
  return y;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  Tensor y = apply("mul", a, b, [](auto l, auto r) { return l * r; });
  record("mul", y, {a, b}, [a_shape = a.shape(), b_shape = b.shape(), a = Saved(a), b = Saved(b)](Backward& bw) {
    if (bw.wants(0)) bw.add(0, sum_to(bw.dy() * b.get(), a_shape));
    if (bw.wants(1)) bw.add(1, sum_to(bw.dy() * a.get(), b_shape));
  });
  trace_as("Mul", y, a, b);
  return y;
}

Tensor div(const Tensor& a, const Tensor& b) {
  Tensor y = apply("div", a, b, [](auto l, auto r) { return l / r; });
  record("div", y, {a, b}, [a_shape = a.shape(), b = Saved(b), y = Saved(y)](Backward& bw) {
    const Tensor divisor = b.get();
    const Tensor da = bw.dy() / divisor;
    if (bw.wants(0)) bw.add(0, sum_to(da, a_shape));
    if (bw.wants(1)) bw.add(1, -sum_to(da * y.get(), divisor.shape()));
  });
  trace_as("Div", y, a, b);
  return y;
}

Tensor affine(const Tensor& x, double factor, double offset) {
  Tensor y = apply("affine", x, [=](auto value) {
    using C = decltype(value);
    return value * static_cast<C>(factor) + static_cast<C>(offset);
  });
  record("affine", y, {x}, [factor](Backward& bw) { bw.add(0, factor == 1 ? bw.dy() : affine(bw.dy(), factor)); });
  traced(y, [&](Trace& t) {
    const Trace::Value product = factor == 1 ? t.value(x) : t.add("Mul", {t.value(x), t.scalar(factor)});
    return offset == 0 ? product : t.add("Add", {product, t.scalar(offset)});
  });
  return y;
}

Tensor exp(const Tensor& x) {
  Tensor y = apply("exp", x, [](auto value) { return std::exp(value); });
  record("exp", y, {x}, [y = Saved(y)](Backward& bw) { bw.add(0, bw.dy() * y.get()); });
  trace_as("Exp", y, x);
  return y;
}

Tensor log(const Tensor& x) {
  Tensor y = apply("log", x, [](auto value) { return std::log(value); });
  record("log", y, {x}, [x = Saved(x)](Backward& bw) { bw.add(0, bw.dy() / x.get()); });
  trace_as("Log", y, x);
  return y;
}

Tensor sqrt(const Tensor& x) {
  Tensor y = apply("sqrt", x, [](auto value) { return std::sqrt(value); });
  record("sqrt", y, {x}, [y = Saved(y)](Backward& bw) { bw.add(0, affine(bw.dy() / y.get(), 0.5)); });
  trace_as("Sqrt", y, x);
  return y;
}

Tensor cast(const Tensor& x, DType dtype) {
  for (const DType each : {x.dtype(), dtype}) dispatch_floating("cast", each, [](auto) {});
  Tensor y = Tensor::empty(x.shape(), dtype);
  y.copy_from(x);
  record("cast", y, {x}, [dtype = x.dtype()](Backward& bw) { bw.add(0, cast(bw.dy(), dtype)); });
  traced(y, [&](Trace& t) { return dtype == x.dtype() ? t.value(x) : Trace::kNone; });
  return y;
}

}  // namespace striate

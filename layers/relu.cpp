#include "layers/relu.h"

#include "core/autograd.h"
#include "core/deferred.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "layers/by_register.h"

namespace striate {
namespace {

// Calls f(zero, i) for every place of a tensor, a register or one at a time.
template <class P, class F>
void for_all(std::int64_t count, F f) {
  parallel_for(count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    by_register<P>(end - begin, [=](auto zero, std::int64_t i) { f(zero, begin + i); });
  });
}

template <class T>
void forward(const T* x, T* y, std::int64_t count) {
  for_all<compute_t<T>>(count, [=](auto zero, std::int64_t i) {
    const auto value = read<decltype(zero)>(x + i);
    write(y + i, value < zero ? zero : value);
  });
}

// The output decides as well as the input would, and the next layer keeps the output anyway. dx may be dy.
template <class T>
void backward(const T* dy, const T* y, T* dx, std::int64_t count) {
  for_all<compute_t<T>>(count, [=](auto zero, std::int64_t i) {
    using V = decltype(zero);
    // Not a number lets its gradient pass.
    write(dx + i, select(!(read<V>(y + i) <= zero), read<V>(dy + i)));
  });
}

}  // namespace

Tensor relu(const Tensor& x) {
  if (const auto step = x.deferred_step()) {
    const Tensor y = step->then_relu();
    if (y.defined()) return y;
  }
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating("relu", x.dtype(), [&]<class T>(T) { forward(x.data<T>(), y.mutable_data<T>(), x.numel()); });
  record("relu", y, {x}, [y = Saved(y)](Backward& bw) {
    Tensor dx = bw.reusable_dy();
    dispatch_floating("relu", dx.dtype(), [&]<class T>(T) {
      backward(bw.dy().data<T>(), y.get().data<T>(), dx.mutable_data<T>(), dx.numel());
    });
    bw.add(0, dx);
  });
  return y;
}

}  // namespace striate

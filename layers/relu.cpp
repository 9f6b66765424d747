#include "layers/relu.h"

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"

namespace striate {
namespace {

constexpr std::int64_t grain = 1 << 15;

template <class T>
void forward(const T* x, T* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<compute_t<T>>(x[i]);
    y[i] = static_cast<T>(value < 0 ? compute_t<T>{0} : value);
  }
}

// The output decides as well as the input would, and the next layer keeps the output anyway.
template <class T>
void backward(const T* dy, const T* y, T* dx, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto gradient = static_cast<compute_t<T>>(dy[i]);
    dx[i] = static_cast<T>(static_cast<compute_t<T>>(y[i]) <= 0 ? compute_t<T>{0} : gradient);
  }
}

}  // namespace

Tensor relu(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating("relu", x.dtype(), [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    parallel_for(x.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
      forward(from + begin, to + begin, end - begin);
    });
  });
  record("relu", y, {x}, [y = Saved(y)](Backward& bw) {
    const Tensor& output = y.get();
    Tensor dx = Tensor::empty(output.shape(), output.dtype());
    dispatch_floating("relu", output.dtype(), [&]<class T>(T) {
      const T* values = output.data<T>();
      const T* dy = bw.dy().data<T>();
      T* to = dx.mutable_data<T>();
      parallel_for(output.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
        backward(dy + begin, values + begin, to + begin, end - begin);
      });
    });
    bw.add(0, dx);
  });
  return y;
}

}  // namespace striate

#pragma once
// What kernel_bench and conv_fit run convolutions on.

#include "core/tensor.h"
#include "layers/conv/kernels.h"
#include "layers/init.h"

namespace striate::kernel_bench {

/// N(0,1).
inline Tensor noise(const Shape& shape, DType dtype = DType::f32) {
  Tensor values = Tensor::empty(shape, DType::f32);
  normal_(values, 0, 1);
  Tensor result = Tensor::empty(shape, dtype);
  result.copy_from(values);
  return result;
}

/// The three tensors of a convolution; each direction overwrites one of them.
template <class T>
struct ConvOperandTensors {
  using P = ConvParameter<T>;
  Tensor x, w, y;

  explicit ConvOperandTensors(const ConvGeometry& g)
      : x(noise({g.n, g.h, g.w, g.c}, DTypeOf<T>::value)),
        w(noise({g.r, g.s, g.group_inputs(), g.k}, DTypeOf<P>::value)),
        y(noise({g.n, g.p, g.q, g.k}, DTypeOf<T>::value)) {}

  void run(const ConvGeometry& g, ConvDirection direction, const ConvAlgorithm& algorithm) {
    const ConvAlgorithmOverride convolutions(&algorithm);
    switch (direction) {
      case ConvDirection::forward:
        return Convolution<T>::forward(g, x.data<T>(), w.data<P>(), {}, y.mutable_data<T>());
      case ConvDirection::backward_data:
        return Convolution<T>::backward_data(g, y.data<T>(), w.data<P>(), {}, x.mutable_data<T>());
      case ConvDirection::backward_weights:
        return Convolution<T>::backward_weights(g, x.data<T>(), y.data<T>(), w.mutable_data<P>());
    }
  }
};

}  // namespace striate::kernel_bench

#pragma once
// The arithmetic of 2-d convolution on raw memory: one door for all algorithms, and the choice between them.

#include <type_traits>

#include "core/dtype.h"
#include "layers/conv/epilogue.h"
#include "layers/conv/geometry.h"

namespace striate {

/// reference: the definition in plain loops, f64 only. im2col: any shape, gathered rows times a product. The
/// same without gathering: product, 1x1 kernels with one group and no padding (with a stride, rows are still
/// gathered). depthwise: one input channel a group. The others do 3x3 kernels with stride 1, dilation 1, one
/// group and padding 0 or 1; line2 and line4 only padded maps of their size.
enum class ConvAlgorithm : std::uint8_t {
  automatic,
  reference,
  im2col,
  direct,
  winograd_f2,
  winograd_f4,
  winograd_line2,
  winograd_line4,
  product,
  depthwise
};

const char* to_string(ConvAlgorithm algorithm);

/// While one lives, `automatic` on this thread stands for `wanted` wherever that can do the shape: for
/// benchmarks and experiments.
class ConvAlgorithmOverride {
 public:
  explicit ConvAlgorithmOverride(ConvAlgorithm wanted);
  ~ConvAlgorithmOverride();
  ConvAlgorithmOverride(const ConvAlgorithmOverride&) = delete;
  ConvAlgorithmOverride& operator=(const ConvAlgorithmOverride&) = delete;
  ConvAlgorithmOverride(ConvAlgorithmOverride&&) = delete;
  ConvAlgorithmOverride& operator=(ConvAlgorithmOverride&&) = delete;

 private:
  ConvAlgorithm before_;
};

enum class ConvPass : std::uint8_t { forward, backward_data, backward_weights };

/// What `automatic` stands for with this shape, dtype of activations and pass; another `wanted` is returned
/// as it is. Throws std::invalid_argument where that cannot do the shape.
ConvAlgorithm choose_conv(const ConvGeometry& g, DType dtype, ConvAlgorithm wanted = ConvAlgorithm::automatic,
                          ConvPass pass = ConvPass::forward);

/// Parameters of activations T: f64 with f64, else f32. For bf16, operands of products are rounded to bf16
/// and sums are f32. For f16, what the algorithms of f32 make of operands rounded to f16 is rounded to f16,
/// gradients of weights too, although they are handed over in f32.
template <class T>
using ConvParameter = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// y[n,p,q,k] = epilogue of the sum over r,s,c of x[n, p*stride-padding+r*dilation, ..., c] * w[r,s,c,k].
template <class T>
void conv_forward(const ConvGeometry& g, const T* x, const ConvParameter<T>* w,
                  const ConvEpilogue<ConvParameter<T>>& epilogue, T* y,
                  ConvAlgorithm wanted = ConvAlgorithm::automatic);

/// Overwrites dx with the adjoint of the forward pass in x, applied to dy.
template <class T>
void conv_backward_data(const ConvGeometry& g, const T* dy, const ConvParameter<T>* w, T* dx,
                        ConvAlgorithm wanted = ConvAlgorithm::automatic);

/// Overwrites dw with the adjoint of the forward pass in w, applied to dy.
template <class T>
void conv_backward_weights(const ConvGeometry& g, const T* x, const T* dy, ConvParameter<T>* dw,
                           ConvAlgorithm wanted = ConvAlgorithm::automatic);

template <>
void conv_forward(const ConvGeometry& g, const float16* x, const float* w, const ConvEpilogue<float>& epilogue,
                  float16* y, ConvAlgorithm wanted);
template <>
void conv_backward_data(const ConvGeometry& g, const float16* dy, const float* w, float16* dx, ConvAlgorithm wanted);
template <>
void conv_backward_weights(const ConvGeometry& g, const float16* x, const float16* dy, float* dw, ConvAlgorithm wanted);

}  // namespace striate

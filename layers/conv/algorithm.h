#pragma once
// What an algorithm of convolution is: its name, what it can do, what that costs, and its kernels. Each .cpp file of an
// algorithm defines its own; kernels.h chooses among them.

#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "layers/conv/geometry.h"

namespace striate {

enum class ConvDirection : std::uint8_t { forward, backward_data, backward_weights };

/// "backward-data".
const char* to_string(ConvDirection direction);

/// Parameters of activations T: f64 with f64, else f32.
template <class T>
using ConvParameter = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// What a convolution does to its sums before it stores them (a fused epilogue), so that no pass over memory has to:
/// y = sum + bias; with a norm z = (y - mean) * scale + shift instead, cut to what lies from `least` to `most`: 0 and
/// infinity for ReLU, 0 and 6 for ReLU6. One value each for every channel of the result. bias may be null; without a
/// norm the others are, and nothing is cut. Backward data has one too: it is the forward pass of transposed
/// convolution.
template <class P>
struct ConvEpilogue {
  const P* bias = nullptr;
  const P* mean = nullptr;
  const P* scale = nullptr;
  const P* shift = nullptr;
  P least = -std::numeric_limits<P>::infinity();
  P most = std::numeric_limits<P>::infinity();
};

/// The three tensors of a convolution. Kernels take them, not bare pointers, so that exchanging two does not compile.
template <class T>
struct ConvInput {
  T* data;  ///< x or dx (n,h,w,c)
};
template <class T>
struct ConvFilter {
  T* data;  ///< w or dw (r,s,c/groups,k)
};
template <class T>
struct ConvOutput {
  T* data;  ///< y or dy (n,p,q,k)
};

/// The kernels of one dtype of activations, null where there is none. Each overwrites its last argument with what
/// README.md's formula says. For bf16, operands of products are or may be rounded to bf16; sums are f32.
template <class T>
struct ConvKernels {
  using P = ConvParameter<T>;
  void (*forward)(const ConvGeometry& g, ConvInput<const T> x, ConvFilter<const P> w, const ConvEpilogue<P>& epilogue,
                  ConvOutput<T> y) = nullptr;
  void (*backward_data)(const ConvGeometry& g, ConvOutput<const T> dy, ConvFilter<const P> w,
                        const ConvEpilogue<P>& epilogue, ConvInput<T> dx) = nullptr;
  void (*backward_weights)(const ConvGeometry& g, ConvInput<const T> x, ConvOutput<const T> dy,
                           ConvFilter<P> dw) = nullptr;
};

struct ConvMachine;

struct ConvAlgorithm {
  const char* name;
  bool (*fits_shape)(const ConvGeometry& g);
  /// Time, in multiply-adds of the panel product per channel and filter, on such a machine; infinite for what is only
  /// done when asked for by name.
  double (*cost)(const ConvGeometry& g, DType dtype, ConvDirection direction, const ConvMachine& machine);
  ConvKernels<float> f32 = {};  ///< for f16 too: kernels.cpp converts
  ConvKernels<bfloat16> bf16 = {};
  ConvKernels<double> f64 = {};

  /// Whether it takes the shape and has a kernel for the dtype of activations and the direction.
  [[nodiscard]] bool fits(const ConvGeometry& g, DType dtype, ConvDirection direction) const;

  template <class T>
  [[nodiscard]] const auto& kernels() const {
    if constexpr (std::is_same_v<T, double>) {
      return f64;
    } else if constexpr (std::is_same_v<T, bfloat16>) {
      return bf16;
    } else {
      return f32;
    }
  }
};

/// One for each that there is, by preference: kernels.cpp has them in a list.
namespace conv_by {

extern const ConvAlgorithm winograd_line4, winograd_f4, winograd_line2, winograd_f2, direct, depthwise, product, im2col,
    reference;

}  // namespace conv_by

}  // namespace striate

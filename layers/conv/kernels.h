#pragma once
// The arithmetic of 2-d convolution on raw memory, called by convolution.cpp: the list of algorithms, the choice
// between them, and the three directions by whichever is chosen. README.md has the formulas.

#include <span>
#include <string>
#include <vector>

#include "layers/conv/algorithm.h"

namespace striate {

/// By preference: of those that cost the same, the first is chosen.
std::span<const ConvAlgorithm* const> conv_algorithms();

/// The algorithm of this name; null for "automatic". Throws std::invalid_argument with the nearest name.
const ConvAlgorithm* conv_algorithm(const std::string& name);

/// What conv_algorithm() knows: "automatic", then the list.
std::vector<std::string> conv_algorithm_names();

/// While one lives, this thread's convolutions use `wanted` wherever it fits: for benchmarks and experiments.
class ConvAlgorithmOverride {
 public:
  explicit ConvAlgorithmOverride(const ConvAlgorithm* wanted);
  ~ConvAlgorithmOverride();
  ConvAlgorithmOverride(const ConvAlgorithmOverride&) = delete;
  ConvAlgorithmOverride& operator=(const ConvAlgorithmOverride&) = delete;

 private:
  const ConvAlgorithm* before_;
};

/// The override's where that fits, else the cheapest that does.
const ConvAlgorithm& choose_conv(const ConvGeometry& g, DType dtype, ConvDirection direction = ConvDirection::forward);

/// The three directions, each of which overwrites its last argument. T is float, double, bfloat16 or float16. For f16,
/// the kernels of f32 get operands that are rounded to f16, and what they make is rounded to f16, gradients of weights
/// too, although they are handed over in f32. `part` is what a profile calls it: the forward pass of a transposed
/// convolution is backward data.
template <class T>
struct Convolution {
  using P = ConvParameter<T>;
  static void forward(const ConvGeometry& g, const T* x, const P* w, const ConvEpilogue<P>& epilogue, T* y,
                      const char* part = "forward");
  static void backward_data(const ConvGeometry& g, const T* dy, const P* w, const ConvEpilogue<P>& epilogue, T* dx,
                            const char* part = "backward-data");
  static void backward_weights(const ConvGeometry& g, const T* x, const T* dy, P* dw);
};

}  // namespace striate

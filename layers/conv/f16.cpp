// Convolution of f16 activations: operands in f32 scratch, the algorithms of f32, results rounded to f16.

#include <type_traits>

#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/by_register.h"
#include "layers/conv/kernels.h"

namespace striate {
namespace {

template <class From, class To>
void convert(const From* from, std::int64_t count, To* to) {
  parallel_for(count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    by_register<float>(
        end - begin, [=](auto zero, std::int64_t i) { write(to + begin + i, read<decltype(zero)>(from + begin + i)); });
  });
}

Scratch<float> widened(const float16* from, std::int64_t count) {
  Scratch<float> wide(count);
  convert(from, count, wide.data());
  return wide;
}

/// The values as f16 holds them.
Scratch<float> rounded(const float* from, std::int64_t count) {
  Scratch<float16> low(count);
  convert(from, count, low.data());
  return widened(low.data(), count);
}

std::int64_t inputs(const ConvGeometry& g) { return g.n * g.h * g.w * g.c; }
std::int64_t outputs(const ConvGeometry& g) { return g.positions() * g.k; }
std::int64_t weights(const ConvGeometry& g) { return g.r * g.s * g.group_inputs() * g.k; }

}  // namespace

template <>
void conv_forward(const ConvGeometry& g, const float16* x, const float* w, const ConvEpilogue<float>& epilogue,
                  float16* y, ConvAlgorithm wanted) {
  Scratch<float> result(outputs(g));
  conv_forward<float>(g, widened(x, inputs(g)).data(), rounded(w, weights(g)).data(), epilogue, result.data(), wanted);
  convert(result.data(), outputs(g), y);
}

template <>
void conv_backward_data(const ConvGeometry& g, const float16* dy, const float* w, float16* dx, ConvAlgorithm wanted) {
  Scratch<float> result(inputs(g));
  conv_backward_data<float>(g, widened(dy, outputs(g)).data(), rounded(w, weights(g)).data(), result.data(), wanted);
  convert(result.data(), inputs(g), dx);
}

template <>
void conv_backward_weights(const ConvGeometry& g, const float16* x, const float16* dy, float* dw,
                           ConvAlgorithm wanted) {
  Scratch<float> result(weights(g));
  conv_backward_weights<float>(g, widened(x, inputs(g)).data(), widened(dy, outputs(g)).data(), result.data(), wanted);
  convert(rounded(result.data(), weights(g)).data(), weights(g), dw);
}

}  // namespace striate

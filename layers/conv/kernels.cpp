#include "layers/conv/kernels.h"

#include <array>
#include <utility>

#include "core/parallel.h"
#include "core/profile.h"
#include "core/registry.h"
#include "core/scratch.h"
#include "layers/by_register.h"
#include "layers/conv/machine.h"

namespace striate {
namespace {

constexpr std::array kAlgorithms = {&conv_by::winograd_line4, &conv_by::winograd_f4, &conv_by::winograd_line2,
                                    &conv_by::winograd_f2,    &conv_by::direct,      &conv_by::depthwise,
                                    &conv_by::product,        &conv_by::im2col,      &conv_by::reference};

thread_local const ConvAlgorithm* overriding = nullptr;

Registry<const ConvAlgorithm*> by_name() {
  Registry<const ConvAlgorithm*> all("convolution algorithm", {{"automatic", nullptr}});
  for (const ConvAlgorithm* algorithm : kAlgorithms) all.add(algorithm->name, algorithm);
  return all;
}

template <class T>
bool has_kernel(const ConvKernels<T>& kernels, ConvDirection direction) {
  if (direction == ConvDirection::forward) return kernels.forward != nullptr;
  return direction == ConvDirection::backward_data ? kernels.backward_data != nullptr
                                                   : kernels.backward_weights != nullptr;
}

// f16 by way of f32: results are those of f32's kernels on operands that f16 holds, parameters too, rounded to f16.

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

Scratch<float> in_f32(Values<const float16> values) {
  Scratch<float> wide(values.count);
  convert(values.data, Values(wide.data(), values.count));
  return wide;
}

/// Parameters, as an f16 copy would hold them.
Scratch<float> in_f32(Values<const float> values) {
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

}  // namespace

const char* to_string(ConvDirection direction) {
  constexpr std::array names = {"forward", "backward-data", "backward-weights"};
  return names.at(static_cast<std::size_t>(direction));
}

bool ConvAlgorithm::fits(const ConvGeometry& g, DType dtype, ConvDirection direction) const {
  return fits_shape(g) &&
         dispatch_floating("conv2d", dtype, [&]<class T>(T) { return has_kernel(kernels<T>(), direction); });
}

std::span<const ConvAlgorithm* const> conv_algorithms() { return kAlgorithms; }

std::vector<std::string> conv_algorithm_names() { return by_name().names(); }
const ConvAlgorithm* conv_algorithm(const std::string& name) { return by_name().at(name); }

ConvAlgorithmOverride::ConvAlgorithmOverride(const ConvAlgorithm* wanted)
    : before_(std::exchange(overriding, wanted)) {}
ConvAlgorithmOverride::~ConvAlgorithmOverride() { overriding = before_; }

const ConvAlgorithm& choose_conv(const ConvGeometry& g, DType dtype, ConvDirection direction) {
  if (overriding != nullptr && overriding->fits(g, dtype, direction)) return *overriding;
  const ConvAlgorithm* best = nullptr;
  double least = 0;
  for (const ConvAlgorithm* algorithm : kAlgorithms) {
    if (!algorithm->fits(g, dtype, direction)) continue;
    const double cost = algorithm->cost(g, dtype, direction, conv_machine);
    if (best != nullptr && !(cost < least)) continue;
    best = algorithm;
    least = cost;
  }
  return *best;  // im2col and reference fit every shape
}

template <class T>
void Convolution<T>::forward(const ConvGeometry& g, const T* x, const P* w, const ConvEpilogue<P>& epilogue, T* y,
                             const char* part) {
  if constexpr (std::is_same_v<T, float16>) {
    by_way_of_f32(Values(x, g.input_size()), Values(w, g.filter_size()), Values(y, g.output_size()),
                  [&](const float* x32, const float* w32, float* y32) {
                    Convolution<float>::forward(g, x32, w32, epilogue, y32, part);
                  });
  } else {
    const ConvAlgorithm& algorithm = choose_conv(g, DTypeOf<T>::value, ConvDirection::forward);
    const ProfileSpan span(profiled_place(), part, algorithm.name);
    algorithm.kernels<T>().forward(g, {x}, {w}, epilogue, {y});
  }
}

template <class T>
void Convolution<T>::backward_data(const ConvGeometry& g, const T* dy, const P* w, const ConvEpilogue<P>& epilogue,
                                   T* dx, const char* part) {
  if constexpr (std::is_same_v<T, float16>) {
    by_way_of_f32(Values(dy, g.output_size()), Values(w, g.filter_size()), Values(dx, g.input_size()),
                  [&](const float* dy32, const float* w32, float* dx32) {
                    Convolution<float>::backward_data(g, dy32, w32, epilogue, dx32, part);
                  });
  } else {
    const ConvAlgorithm& algorithm = choose_conv(g, DTypeOf<T>::value, ConvDirection::backward_data);
    const ProfileSpan span(profiled_place(), part, algorithm.name);
    algorithm.kernels<T>().backward_data(g, {dy}, {w}, epilogue, {dx});
  }
}

template <class T>
void Convolution<T>::backward_weights(const ConvGeometry& g, const T* x, const T* dy, P* dw) {
  if constexpr (std::is_same_v<T, float16>) {
    by_way_of_f32(Values(x, g.input_size()), Values(dy, g.output_size()), Values(dw, g.filter_size()),
                  [&](const float* x32, const float* dy32, float* dw32) {
                    Convolution<float>::backward_weights(g, x32, dy32, dw32);
                  });
  } else {
    const ConvAlgorithm& algorithm = choose_conv(g, DTypeOf<T>::value, ConvDirection::backward_weights);
    const ProfileSpan span(profiled_place(), to_string(ConvDirection::backward_weights), algorithm.name);
    algorithm.kernels<T>().backward_weights(g, {x}, {dy}, {dw});
  }
}

template struct Convolution<float>;
template struct Convolution<double>;
template struct Convolution<bfloat16>;
template struct Convolution<float16>;

}  // namespace striate

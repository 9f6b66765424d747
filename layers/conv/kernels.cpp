#include "layers/conv/kernels.h"

#include <array>
#include <stdexcept>
#include <utility>

#include "core/profile.h"
#include "core/text.h"
#include "layers/conv/f16.h"
#include "layers/conv/machine.h"

namespace striate {
namespace {

constexpr std::array kAlgorithms = {&conv_by::winograd_line4, &conv_by::winograd_f4, &conv_by::winograd_line2,
                                    &conv_by::winograd_f2,    &conv_by::direct,      &conv_by::depthwise,
                                    &conv_by::product,        &conv_by::im2col,      &conv_by::reference};

thread_local const ConvAlgorithm* overriding = nullptr;

template <class T>
bool has_kernel(const ConvKernels<T>& kernels, ConvDirection direction) {
  switch (direction) {
    case ConvDirection::forward:
      return kernels.forward != nullptr;
    case ConvDirection::backward_data:
      return kernels.backward_data != nullptr;
    case ConvDirection::backward_weights:
      return kernels.backward_weights != nullptr;
  }
  return false;
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

std::vector<std::string> conv_algorithm_names() {
  std::vector<std::string> names = {"automatic"};
  for (const ConvAlgorithm* algorithm : kAlgorithms) names.emplace_back(algorithm->name);
  return names;
}

const ConvAlgorithm* conv_algorithm(const std::string& name) {
  if (name == "automatic") return nullptr;
  for (const ConvAlgorithm* algorithm : kAlgorithms) {
    if (algorithm->name == name) return algorithm;
  }
  const std::vector<std::string> names = conv_algorithm_names();
  throw std::invalid_argument("unknown convolution algorithm '" + name + "': did you mean '" +
                              nearest_name(name, names) + "'? Known: " + joined(names));
}

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
void conv_forward(const ConvGeometry& g, const T* x, const ConvParameter<T>* w,
                  const ConvEpilogue<ConvParameter<T>>& epilogue, T* y) {
  if constexpr (std::is_same_v<T, float16>) {
    by_way_of_f32(
        Values(x, g.input_size()), Values(w, g.filter_size()), Values(y, g.output_size()),
        [&](const float* x32, const float* w32, float* y32) { conv_forward<float>(g, x32, w32, epilogue, y32); });
  } else {
    const ConvAlgorithm& algorithm = choose_conv(g, DTypeOf<T>::value, ConvDirection::forward);
    const ProfileSpan span(profiled_place(), to_string(ConvDirection::forward), algorithm.name);
    algorithm.kernels<T>().forward(g, {x}, {w}, epilogue, {y});
  }
}

template <class T>
void conv_backward_data(const ConvGeometry& g, const T* dy, const ConvParameter<T>* w, T* dx) {
  if constexpr (std::is_same_v<T, float16>) {
    by_way_of_f32(
        Values(dy, g.output_size()), Values(w, g.filter_size()), Values(dx, g.input_size()),
        [&](const float* dy32, const float* w32, float* dx32) { conv_backward_data<float>(g, dy32, w32, dx32); });
  } else {
    const ConvAlgorithm& algorithm = choose_conv(g, DTypeOf<T>::value, ConvDirection::backward_data);
    const ProfileSpan span(profiled_place(), to_string(ConvDirection::backward_data), algorithm.name);
    algorithm.kernels<T>().backward_data(g, {dy}, {w}, {dx});
  }
}

template <class T>
void conv_backward_weights(const ConvGeometry& g, const T* x, const T* dy, ConvParameter<T>* dw) {
  if constexpr (std::is_same_v<T, float16>) {
    by_way_of_f32(
        Values(x, g.input_size()), Values(dy, g.output_size()), Values(dw, g.filter_size()),
        [&](const float* x32, const float* dy32, float* dw32) { conv_backward_weights<float>(g, x32, dy32, dw32); });
  } else {
    const ConvAlgorithm& algorithm = choose_conv(g, DTypeOf<T>::value, ConvDirection::backward_weights);
    const ProfileSpan span(profiled_place(), to_string(ConvDirection::backward_weights), algorithm.name);
    algorithm.kernels<T>().backward_weights(g, {x}, {dy}, {dw});
  }
}

template void conv_forward(const ConvGeometry&, const float*, const float*, const ConvEpilogue<float>&, float*);
template void conv_forward(const ConvGeometry&, const double*, const double*, const ConvEpilogue<double>&, double*);
template void conv_forward(const ConvGeometry&, const bfloat16*, const float*, const ConvEpilogue<float>&, bfloat16*);
template void conv_forward(const ConvGeometry&, const float16*, const float*, const ConvEpilogue<float>&, float16*);
template void conv_backward_data(const ConvGeometry&, const float*, const float*, float*);
template void conv_backward_data(const ConvGeometry&, const double*, const double*, double*);
template void conv_backward_data(const ConvGeometry&, const bfloat16*, const float*, bfloat16*);
template void conv_backward_data(const ConvGeometry&, const float16*, const float*, float16*);
template void conv_backward_weights(const ConvGeometry&, const float*, const float*, float*);
template void conv_backward_weights(const ConvGeometry&, const double*, const double*, double*);
template void conv_backward_weights(const ConvGeometry&, const bfloat16*, const bfloat16*, float*);
template void conv_backward_weights(const ConvGeometry&, const float16*, const float16*, float*);

}  // namespace striate

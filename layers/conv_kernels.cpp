#include "layers/conv_kernels.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/conv_im2col.h"
#include "layers/conv_reference.h"
#include "layers/direct_conv.h"
#include "layers/winograd.h"

namespace striate {
namespace {

bool is_plain_3x3(const ConvGeometry& g) {
  return g.r == 3 && g.s == 3 && g.stride == Extent2d(1) && g.dilation == Extent2d(1) && g.groups == 1 &&
         (g.padding == Extent2d(0) || g.padding == Extent2d(1));
}

Conv3x3Shape shape_3x3(const ConvGeometry& g) {
  return {g.n, g.h, g.w, g.c, g.k, g.padding.height};
}

std::int64_t tiles(const ConvGeometry& g, std::int64_t size) {
  return ceil_div(g.p, size) * ceil_div(g.q, size);
}

WinogradTile tile_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::winograd_f2:
      return WinogradTile::f2;
    case ConvAlgorithm::winograd_line2:
      return WinogradTile::line2;
    case ConvAlgorithm::winograd_line4:
      return WinogradTile::line4;
    default:
      return WinogradTile::f4;
  }
}

bool can_do(ConvAlgorithm algorithm, const ConvGeometry& g, DType dtype) {
  if (algorithm == ConvAlgorithm::reference) return dtype == DType::f64;
  if (dtype == DType::f64) return false;
  if (algorithm == ConvAlgorithm::im2col) return true;
  if (!is_plain_3x3(g)) return false;
  return algorithm == ConvAlgorithm::direct || winograd_fits(shape_3x3(g), tile_of(algorithm));
}

ConvAlgorithm choose_3x3(const ConvGeometry& g, DType dtype) {
  // Transforms cost as much as so many channels' products.
  if (g.c < 12 || g.k < 12) return ConvAlgorithm::direct;
  if (can_do(ConvAlgorithm::winograd_line2, g, dtype)) return ConvAlgorithm::winograd_line2;
  const bool low = dtype == DType::bf16;
  if (!low && can_do(ConvAlgorithm::winograd_line4, g, dtype)) return ConvAlgorithm::winograd_line4;
  // Products per image, channel and filter. The transforms of F(4x4) lose what 8 bits of mantissa leave.
  const std::int64_t f2 = 16 * tiles(g, 2);
  const std::int64_t f4 = 36 * tiles(g, 4);
  if (!low && f4 <= f2) return ConvAlgorithm::winograd_f4;
  return f2 < 9 * g.p * g.q ? ConvAlgorithm::winograd_f2 : ConvAlgorithm::direct;
}

// The im2col kernels know f32 alone: bf16 goes through copies.
template <class From, class To>
Scratch<To> converted(const From* from, std::int64_t count) {
  Scratch<To> result(count);
  To* to = result.data();
  parallel_for(count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<To>(from[i]);
  });
  return result;
}

// w rounded to bf16, as f32.
Scratch<float> rounded(const float* w, std::int64_t count) {
  Scratch<float> result(count);
  std::transform(w, w + count, result.data(),
                 [](float value) { return static_cast<float>(bfloat16(value)); });
  return result;
}

void round_to(const float* from, std::int64_t count, bfloat16* to) {
  parallel_for(count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = bfloat16(from[i]);
  });
}

std::int64_t size_x(const ConvGeometry& g) {
  return g.n * g.h * g.w * g.c;
}
std::int64_t size_y(const ConvGeometry& g) {
  return g.positions() * g.k;
}
std::int64_t size_w(const ConvGeometry& g) {
  return g.r * g.s * g.group_inputs() * g.k;
}

void im2col_forward(const ConvGeometry& g, const bfloat16* x, const float* w, const float* bias,
                    bfloat16* y) {
  Scratch<float> sums(size_y(g));
  striate::im2col_forward(g, converted<bfloat16, float>(x, size_x(g)).data(), rounded(w, size_w(g)).data(),
                          bias, sums.data());
  round_to(sums.data(), size_y(g), y);
}

void im2col_backward_data(const ConvGeometry& g, const bfloat16* dy, const float* w, bfloat16* dx) {
  Scratch<float> sums(size_x(g));
  striate::im2col_backward_data(g, converted<bfloat16, float>(dy, size_y(g)).data(),
                                rounded(w, size_w(g)).data(), sums.data());
  round_to(sums.data(), size_x(g), dx);
}

void im2col_backward_weights(const ConvGeometry& g, const bfloat16* x, const bfloat16* dy, float* dw) {
  striate::im2col_backward_weights(g, converted<bfloat16, float>(x, size_x(g)).data(),
                                   converted<bfloat16, float>(dy, size_y(g)).data(), dw);
}

}  // namespace

const char* to_string(ConvAlgorithm algorithm) {
  constexpr std::array names = {"automatic",   "reference",   "im2col",         "direct",
                                "winograd_f2", "winograd_f4", "winograd_line2", "winograd_line4"};
  return names.at(static_cast<std::size_t>(algorithm));
}

ConvAlgorithm choose_conv(const ConvGeometry& g, DType dtype, ConvAlgorithm wanted) {
  if (wanted == ConvAlgorithm::automatic) {
    if (dtype == DType::f64) return ConvAlgorithm::reference;
    return is_plain_3x3(g) ? choose_3x3(g, dtype) : ConvAlgorithm::im2col;
  }
  if (can_do(wanted, g, dtype)) return wanted;
  throw std::invalid_argument("[conv2d] " + std::string(to_string(wanted)) + " cannot do " +
                              to_string(dtype) + ", kernel " + to_string(Extent2d(g.r, g.s)) + ", stride " +
                              to_string(g.stride) + ", padding " + to_string(g.padding) + ", map " +
                              to_string(Extent2d(g.h, g.w)));
}

template <class T>
void conv_forward(const ConvGeometry& g, const T* x, const ConvParameter<T>* w, const ConvParameter<T>* bias,
                  T* y, ConvAlgorithm wanted) {
  const ConvAlgorithm algorithm = choose_conv(g, DTypeOf<T>::value, wanted);
  if constexpr (std::is_same_v<T, double>) {
    reference_forward(g, x, w, bias, y);
  } else if (algorithm == ConvAlgorithm::im2col) {
    im2col_forward(g, x, w, bias, y);
  } else if (algorithm == ConvAlgorithm::direct) {
    direct_forward(shape_3x3(g), x, w, bias, y);
  } else {
    winograd_forward(shape_3x3(g), tile_of(algorithm), x, w, bias, y);
  }
}

template <class T>
void conv_backward_data(const ConvGeometry& g, const T* dy, const ConvParameter<T>* w, T* dx,
                        ConvAlgorithm wanted) {
  const ConvAlgorithm algorithm = choose_conv(g, DTypeOf<T>::value, wanted);
  if constexpr (std::is_same_v<T, double>) {
    reference_backward_data(g, dy, w, dx);
  } else if (algorithm == ConvAlgorithm::im2col) {
    im2col_backward_data(g, dy, w, dx);
  } else if (algorithm == ConvAlgorithm::direct) {
    direct_backward_data(shape_3x3(g), w, dy, dx);
  } else {
    winograd_backward_data(shape_3x3(g), tile_of(algorithm), w, dy, dx);
  }
}

template <class T>
void conv_backward_weights(const ConvGeometry& g, const T* x, const T* dy, ConvParameter<T>* dw,
                           ConvAlgorithm wanted) {
  const ConvAlgorithm algorithm = choose_conv(g, DTypeOf<T>::value, wanted);
  if constexpr (std::is_same_v<T, double>) {
    reference_backward_weights(g, x, dy, dw);
  } else if (algorithm == ConvAlgorithm::im2col) {
    im2col_backward_weights(g, x, dy, dw);
  } else if (algorithm == ConvAlgorithm::direct) {
    direct_backward_weights(shape_3x3(g), x, dy, dw);
  } else {
    winograd_backward_weights(shape_3x3(g), tile_of(algorithm), x, dy, dw);
  }
}

#define STRIATE_CONV(T)                                                                           \
  template void conv_forward(const ConvGeometry&, const T*, const ConvParameter<T>*,              \
                             const ConvParameter<T>*, T*, ConvAlgorithm);                         \
  template void conv_backward_data(const ConvGeometry&, const T*, const ConvParameter<T>*, T*,    \
                                   ConvAlgorithm);                                                \
  template void conv_backward_weights(const ConvGeometry&, const T*, const T*, ConvParameter<T>*, \
                                      ConvAlgorithm);
STRIATE_CONV(float)
STRIATE_CONV(double)
STRIATE_CONV(bfloat16)
#undef STRIATE_CONV

}  // namespace striate

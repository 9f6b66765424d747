#include "layers/conv/kernels.h"

#include <array>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/panel_product.h"
#include "core/profile.h"
#include "layers/conv/depthwise.h"
#include "layers/conv/direct.h"
#include "layers/conv/im2col.h"
#include "layers/conv/reference.h"
#include "layers/conv/winograd.h"

namespace striate {
namespace {

thread_local ConvAlgorithm overriding = ConvAlgorithm::automatic;

bool is_plain_3x3(const ConvGeometry& g) {
  return g.c > 0 && g.r == 3 && g.s == 3 && g.stride == Extent2d(1) && g.dilation == Extent2d(1) && g.groups == 1 &&
         (g.padding == Extent2d(0) || g.padding == Extent2d(1));
}

bool is_product(const ConvGeometry& g) { return g.r == 1 && g.s == 1 && g.padding == Extent2d(0) && g.groups == 1; }

// What the gathering kernels do; product is their case without a gather.
bool gathers(ConvAlgorithm algorithm) {
  return algorithm == ConvAlgorithm::im2col || algorithm == ConvAlgorithm::product;
}

Conv3x3Shape shape_3x3(const ConvGeometry& g) { return {g.n, g.h, g.w, g.c, g.k, g.padding.height}; }

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
  if (algorithm == ConvAlgorithm::product) return is_product(g);
  if (algorithm == ConvAlgorithm::depthwise) return g.group_inputs() == 1;
  if (!is_plain_3x3(g)) return false;
  return algorithm == ConvAlgorithm::direct || winograd_fits(shape_3x3(g), tile_of(algorithm));
}

// Work in units of one multiplication for each channel and filter, at the product's speed. The constants are
// fitted to measurements.
class Work {
 public:
  Work(const ConvGeometry& g, DType dtype, ConvPass pass)
      : g_(g), weights_(pass == ConvPass::backward_weights), low_(dtype == DType::bf16) {
    const std::int64_t columns = pass == ConvPass::backward_data ? g.c : g.k;
    waste_ = ratio(round_up(columns, panel_width), columns);
    registers_ = ratio(round_up(g.c, lanes), g.c * g.c) + ratio(round_up(g.k, lanes), g.k * g.k);
  }
  [[nodiscard]] double im2col() const { return 9 * (pixels() * (waste_ + ratio(14, g_.k) + ratio(6, g_.c)) + 15); }
  [[nodiscard]] double direct() const { return 9 * (pixels() * (waste_ + ratio(2, g_.c)) + 30); }
  // Every tile is transformed, with the channels of its input and output in whole registers. Filters are read
  // for each of a tile's rows, and transformed for each position.
  [[nodiscard]] double winograd(std::int64_t outputs, std::int64_t side) const {
    const std::int64_t tiles = g_.n * ceil_div(g_.p, outputs) * ceil_div(g_.q, outputs);
    const auto positions = static_cast<double>(side * side);
    const double filters = weights_ ? 10 * positions : ratio(80 * side, 1) + 8 * positions;
    return positions * static_cast<double>(tiles) * (waste_ + (low_ || side < 6 ? 12 : 14) * registers_) + filters;
  }

 private:
  static double ratio(std::int64_t a, std::int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }
  [[nodiscard]] double pixels() const { return static_cast<double>(g_.positions()); }

  const ConvGeometry& g_;
  bool weights_, low_;
  double waste_ = 1;  // products have whole panels of columns
  double registers_ = 0;
};

ConvAlgorithm choose_3x3(const ConvGeometry& g, DType dtype, ConvPass pass) {
  const Work work(g, dtype, pass);
  ConvAlgorithm best = ConvAlgorithm::im2col;
  double least = work.im2col();
  const auto consider = [&](ConvAlgorithm algorithm, double amount) {
    if (amount > least || !can_do(algorithm, g, dtype)) return;
    best = algorithm;
    least = amount;
  };
  consider(ConvAlgorithm::direct, work.direct());
  consider(ConvAlgorithm::winograd_f2, work.winograd(2, 4));
  consider(ConvAlgorithm::winograd_line2, work.winograd(2, 3));
  // With products of bf16 the transforms of F(4x4) lose more than the products themselves.
  if (dtype != DType::bf16) {
    consider(ConvAlgorithm::winograd_f4, work.winograd(4, 6));
    consider(ConvAlgorithm::winograd_line4, work.winograd(4, 6));
  }
  return best;
}

}  // namespace

const char* to_string(ConvAlgorithm algorithm) {
  constexpr std::array names = {"automatic",   "reference",      "im2col",         "direct",  "winograd_f2",
                                "winograd_f4", "winograd_line2", "winograd_line4", "product", "depthwise"};
  return names.at(static_cast<std::size_t>(algorithm));
}

ConvAlgorithmOverride::ConvAlgorithmOverride(ConvAlgorithm wanted) : before_(std::exchange(overriding, wanted)) {}
ConvAlgorithmOverride::~ConvAlgorithmOverride() { overriding = before_; }

ConvAlgorithm choose_conv(const ConvGeometry& g, DType dtype, ConvAlgorithm wanted, ConvPass pass) {
  if (wanted == ConvAlgorithm::automatic) {
    if (overriding != ConvAlgorithm::automatic && can_do(overriding, g, dtype)) return overriding;
    if (dtype == DType::f64) return ConvAlgorithm::reference;
    if (is_plain_3x3(g)) return choose_3x3(g, dtype, pass);
    if (is_product(g)) return ConvAlgorithm::product;
    return g.group_inputs() == 1 && g.groups > 1 ? ConvAlgorithm::depthwise : ConvAlgorithm::im2col;
  }
  if (can_do(wanted, g, dtype)) return wanted;
  throw std::invalid_argument("[conv2d] " + std::string(to_string(wanted)) + " cannot do " + to_string(dtype) +
                              ", kernel " + to_string(Extent2d(g.r, g.s)) + ", stride " + to_string(g.stride) +
                              ", padding " + to_string(g.padding) + ", map " + to_string(Extent2d(g.h, g.w)));
}

template <class T>
void conv_forward(const ConvGeometry& g, const T* x, const ConvParameter<T>* w,
                  const ConvEpilogue<ConvParameter<T>>& epilogue, T* y, ConvAlgorithm wanted) {
  const ConvAlgorithm algorithm = choose_conv(g, DTypeOf<T>::value, wanted, ConvPass::forward);
  const ProfileSpan span(profiled_place(), "forward", to_string(algorithm));
  if constexpr (std::is_same_v<T, double>) {
    reference_forward(g, x, w, epilogue, y);
  } else if (gathers(algorithm)) {
    im2col_forward(g, x, w, epilogue, y);
  } else if (algorithm == ConvAlgorithm::depthwise) {
    depthwise_forward(g, x, w, epilogue, y);
  } else if (algorithm == ConvAlgorithm::direct) {
    direct_forward(shape_3x3(g), x, w, epilogue, y);
  } else {
    winograd_forward(shape_3x3(g), tile_of(algorithm), x, w, epilogue, y);
  }
}

template <class T>
void conv_backward_data(const ConvGeometry& g, const T* dy, const ConvParameter<T>* w, T* dx, ConvAlgorithm wanted) {
  const ConvAlgorithm algorithm = choose_conv(g, DTypeOf<T>::value, wanted, ConvPass::backward_data);
  const ProfileSpan span(profiled_place(), "backward-data", to_string(algorithm));
  if constexpr (std::is_same_v<T, double>) {
    reference_backward_data(g, dy, w, dx);
  } else if (gathers(algorithm)) {
    im2col_backward_data(g, dy, w, dx);
  } else if (algorithm == ConvAlgorithm::depthwise) {
    depthwise_backward_data(g, dy, w, dx);
  } else if (algorithm == ConvAlgorithm::direct) {
    direct_backward_data(shape_3x3(g), w, dy, dx);
  } else {
    winograd_backward_data(shape_3x3(g), tile_of(algorithm), w, dy, dx);
  }
}

template <class T>
void conv_backward_weights(const ConvGeometry& g, const T* x, const T* dy, ConvParameter<T>* dw, ConvAlgorithm wanted) {
  const ConvAlgorithm algorithm = choose_conv(g, DTypeOf<T>::value, wanted, ConvPass::backward_weights);
  const ProfileSpan span(profiled_place(), "backward-weights", to_string(algorithm));
  if constexpr (std::is_same_v<T, double>) {
    reference_backward_weights(g, x, dy, dw);
  } else if (gathers(algorithm)) {
    im2col_backward_weights(g, x, dy, dw);
  } else if (algorithm == ConvAlgorithm::depthwise) {
    depthwise_backward_weights(g, x, dy, dw);
  } else if (algorithm == ConvAlgorithm::direct) {
    direct_backward_weights(shape_3x3(g), x, dy, dw);
  } else {
    winograd_backward_weights(shape_3x3(g), tile_of(algorithm), x, dy, dw);
  }
}

template void conv_forward(const ConvGeometry&, const float*, const float*, const ConvEpilogue<float>&, float*,
                           ConvAlgorithm);
template void conv_forward(const ConvGeometry&, const double*, const double*, const ConvEpilogue<double>&, double*,
                           ConvAlgorithm);
template void conv_forward(const ConvGeometry&, const bfloat16*, const float*, const ConvEpilogue<float>&, bfloat16*,
                           ConvAlgorithm);
template void conv_backward_data(const ConvGeometry&, const float*, const float*, float*, ConvAlgorithm);
template void conv_backward_data(const ConvGeometry&, const double*, const double*, double*, ConvAlgorithm);
template void conv_backward_data(const ConvGeometry&, const bfloat16*, const float*, bfloat16*, ConvAlgorithm);
template void conv_backward_weights(const ConvGeometry&, const float*, const float*, float*, ConvAlgorithm);
template void conv_backward_weights(const ConvGeometry&, const double*, const double*, double*, ConvAlgorithm);
template void conv_backward_weights(const ConvGeometry&, const bfloat16*, const bfloat16*, float*, ConvAlgorithm);

}  // namespace striate

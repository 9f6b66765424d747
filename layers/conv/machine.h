#pragma once
// The machine that block sizes and the choice of algorithms are made for. tests/bench/conv_fit.cpp measures the values
// on another one and prints this struct.

#include <cstdint>
#include <limits>

#include "core/integer.h"
#include "core/panel_product.h"
#include "layers/conv/algorithm.h"

namespace striate {

/// Changing a value changes results in their last bits: block sizes the order of sums, costs the algorithm.
struct ConvMachine {
  // Bytes.
  std::int64_t second_level_cache = std::int64_t{1} << 20;  ///< of one core
  std::int64_t last_level_cache = std::int64_t{16} << 20;   ///< the part that one convolution may count on

  // Costs. Unit: the time of one multiply-add of the panel product (core/panel_product.h).
  double im2col_gather = 14;          ///< an input value copied into a row
  double im2col_store = 6;            ///< an output value, for each tap
  double im2col_pack = 15;            ///< a filter value brought into panels
  double direct_store = 2;            ///< an output value, for each tap
  double direct_pack = 30;            ///< a filter value brought into panels
  double winograd_transform = 12;     ///< a register to or from one position of a tile
  double winograd_f4_transform = 14;  ///< the same for tiles of 4x4 outputs in f32
  double winograd_filter_row = 80;    ///< forward and backward data: a filter's transform, for each row of positions
  double winograd_filter = 8;         ///< and for each position
  double winograd_gradient = 10;      ///< backward weights: a filter's gradient, for each position
};

inline constexpr ConvMachine conv_machine;

/// The cost of what fits but is never chosen: it runs when asked for by name.
inline constexpr double only_on_request = std::numeric_limits<double>::infinity();

inline double ratio(std::int64_t a, std::int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

/// How many columns a product computes for each that is needed: panels are computed whole.
inline double panel_waste(const ConvGeometry& g, ConvDirection direction) {
  const std::int64_t columns = direction == ConvDirection::backward_data ? g.c : g.k;
  return ratio(round_up(columns, panel_width), columns);
}

}  // namespace striate

#pragma once
// How far a model is from moving with its input, layer by layer: f is equivariant to a motion T where f(T x) = T f(x),
// and invariant where f(T x) = f(x). For `striate equivariance`.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

struct Motion {
  std::int64_t shift = 0;     ///< pixels down and to the right; what leaves the image comes in at the other side
  bool quarter_turn = false;  ///< counter-clockwise, instead
};

/// Distances are relative: sqrt(sum (a - b)^2 / sum b^2) over all images, with b = T f(x), or f(x) for `unmoved`.
struct EquivarianceRow {
  std::string name;  ///< as in a summary (models/summary.h): conv2_1
  std::string path;
  std::int64_t height = 1;
  std::int64_t width = 1;
  double jump = 1;  ///< input pixels between two neighbouring outputs
  /// Pixels of this map that a shift stands for: shift / jump. Compared with the nearest whole number, which is T where
  /// the jump divides the shift.
  double moved_by = 0;
  /// At the places whose receptive field meets neither padding nor the seam of the shift. None where there are none,
  /// and for outputs without places.
  std::optional<double> inside = std::nullopt;
  /// At all places. None for outputs without places.
  std::optional<double> everywhere = std::nullopt;
  /// As everywhere, where T also moves every fourth of the channels to the next: what a quarter turn does to the maps
  /// of p4 convolutions (layers/p4_conv.h). None but for turns of maps of 4*K channels.
  std::optional<double> reoriented = std::nullopt;
  double unmoved = 0;  ///< between f(T x) and f(x): 0 for an invariant f
};

/// The rows of the model's summary for images (N,H,W,C), in eval mode; a convolution's row has the output of the
/// convolution itself. Throws ShapeError for images that do not fit and, for turns, are not square;
/// std::invalid_argument for a negative shift.
std::vector<EquivarianceRow> equivariance(Layer& model, const Tensor& images, const Motion& motion);

/// An aligned text table.
std::string format_equivariance(const std::vector<EquivarianceRow>& rows, const Motion& motion);

}  // namespace striate

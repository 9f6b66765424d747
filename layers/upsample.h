#pragma once
// Images (N,H,W,C) resized inside a network, as torch.nn.Upsample does it: no antialiasing. A sequence (N,L,C) is
// reshaped to (N,1,L,C) for it. For pictures: data/resize.h.

#include <cstdint>
#include <optional>
#include <string>

#include "layers/function_layer.h"
#include "layers/window.h"

namespace striate {

enum class UpsampleMode : std::uint8_t { nearest, bilinear };

/// Of rows and of columns; one number stands for both.
struct ScaleFactor {
  double height;
  double width;

  ScaleFactor(double both) : height(both), width(both) {}  // NOLINT(google-explicit-constructor): as Extent2d
  ScaleFactor(double h, double w) : height(h), width(w) {}
};

/// PyTorch's names and defaults. Either size or scale_factor, which gives floor(input * scale_factor).
struct UpsampleOptions {
  std::optional<Extent2d> size = std::nullopt;
  std::optional<ScaleFactor> scale_factor = std::nullopt;
  UpsampleMode mode = UpsampleMode::nearest;
  bool align_corners = false;  ///< bilinear: the corners of input and output are the centres of their corner pixels
};

/// x (N,H,W,C) -> (N,P,Q,C). Output row p stands at place s*p of the input, of which nearest takes the floor (in f32,
/// as PyTorch does), with s = 1/scale_factor where that is given, else H/P; a P that is H, or of nearest 2*H, counts as
/// given. Bilinear weighs the two rows around s*(p + 0.5) - 0.5, at least 0, or
/// with align_corners around p*(H-1)/(P-1); columns alike. f32, f64, bf16 or f16, computed in f32 for the latter two.
/// Throws ShapeError, and std::invalid_argument for options outside the rules.
Tensor interpolate(const Tensor& x, const UpsampleOptions& options);

/// A summary shows scales rounded down to whole numbers.
struct Upsample : FunctionLayer {
  Upsample(Module& parent, std::string name, const UpsampleOptions& options);
};

}  // namespace striate

#pragma once
// Test-time augmentation: the mean of the logits of an image and of views of it. Called by apps/training/evaluate.h for
// `striate eval --tta`.

#include "core/module.h"
#include "core/tensor.h"

namespace striate {

struct TtaOptions {
  bool flip = false;   ///< every view counts half as itself, half as its mirror image
  bool shift = false;  ///< the image counts 1/2; moved by a pixel up and left, and down and right, 1/4 each
  [[nodiscard]] bool any() const { return flip || shift; }
};

/// Logits of images (N,H,W,C), weighted as the options say (airbench's multicrop); moved images take their new
/// border by reflection. f64 where the model's logits are, else f32. Throws ShapeError for other ranks and, to shift,
/// for sides below 2.
Tensor tta_logits(Layer& model, const Tensor& images, const TtaOptions& options);

}  // namespace striate

#pragma once
// What pixels a layer's outputs see: the receptive field by formula beside what gradients say. Drawn by
// apps/report/net_pictures.h; for `striate show receptive-field`.

#include <cstdint>
#include <string>
#include <vector>

#include "core/module.h"
#include "models/summary.h"

namespace striate {

struct FieldMeasure {
  /// Sides, the longer counts, of the smallest box that holds all of the gradient that is not zero; 0 where all is.
  std::int64_t measured = 0;
  /// The side of the smallest square around the field's middle that holds 95 % of the gradient's sum: the effective
  /// receptive field. It may reach over the image's border.
  std::int64_t effective = 0;
  /// The field's middle, in pixels from the image's top left corner: 0.5 is the first pixel's. It is the box's; where
  /// the border cuts the field, half a field by formula from the edge that is left, and without one where the unit
  /// would be in maps that lie evenly over the image.
  double row = 0;
  double column = 0;
};

/// Its receptive_field is the side by formula, whatever the image's size.
struct ReceptiveField : SummaryRow {
  FieldMeasure measure = {};
  /// The sum over images of |d(sum of all channels of the unit) / d image|, of all its channels: (H,W), f64. The unit
  /// is that at (height/2, width/2), as in Luo et al., "Understanding the Effective Receptive Field in Deep
  /// Convolutional Neural Networks", 2016.
  Tensor gradient = {};
};

/// What the gradient says of the field.
FieldMeasure measure_field(const ReceptiveField& field);

/// The rows of the model's summary that have places, of `only` these paths where some are given, for images (N,H,W,C),
/// in eval mode; a convolution's row is measured at the output of the convolution itself. A measured field is no larger
/// than the image, and smaller than the formula's where no path that is open (of ReLUs and max pools) leads to the
/// border: more images open more. Throws ShapeError for images that do not fit, std::invalid_argument for a path that
/// is none of a row, with those that are.
std::vector<ReceptiveField> receptive_fields(Layer& model, const Tensor& images,
                                             const std::vector<std::string>& only = {});

}  // namespace striate

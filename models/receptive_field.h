#pragma once
// What pixels a layer's outputs see: the receptive field by formula beside what gradients say. Drawn by
// apps/report/net_pictures.h; for `striate show receptive-field`.

#include <cstdint>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

/// What a sum of |gradients| (H,W), f64, of one output unit says of its field.
struct FieldMeasure {
  /// Sides, the longer counts, of the smallest box that holds all that is not zero; 0 where all is.
  std::int64_t measured = 0;
  /// The side of the smallest square around that box's middle that holds 95 % of the sum: the effective receptive
  /// field. It may reach over the image's border.
  std::int64_t effective = 0;
  /// The box's middle, in pixels from the image's top left corner: 0.5 is the first pixel's.
  double row = 0;
  double column = 0;
};

FieldMeasure measure_field(const Tensor& gradient);

struct ReceptiveField {
  std::string name;  ///< as in a summary (models/summary.h): conv2_1
  std::string path;
  std::int64_t height = 1;
  std::int64_t width = 1;
  double jump = 1;
  std::int64_t theoretical = 1;  ///< side, by the summary's formula, whatever the image's size
  FieldMeasure measure;
  /// The sum over images of |d(sum of all channels of the unit) / d image|, of all its channels: (H,W), f64. The unit
  /// is that at (height/2, width/2), as in Luo et al., "Understanding the Effective Receptive Field in Deep
  /// Convolutional Neural Networks", 2016.
  Tensor gradient;
};

/// The rows of the model's summary that have places, of `only` these paths where some are given, for images (N,H,W,C),
/// in eval mode; a convolution's row is measured at the output of the convolution itself. A measured field is no larger
/// than the image, and smaller than the formula's where no path that is open (of ReLUs and max pools) leads to the
/// border: more images open more. Throws ShapeError for images that do not fit, std::invalid_argument for a path that
/// is none of a row, with those that are.
std::vector<ReceptiveField> receptive_fields(Layer& model, const Tensor& images,
                                             const std::vector<std::string>& only = {});

/// An aligned text table.
std::string format_receptive_fields(const std::vector<ReceptiveField>& fields);

}  // namespace striate

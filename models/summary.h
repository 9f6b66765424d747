#pragma once
// A model layer by layer: output size, receptive field, parameters and cost. For `summary` and the estimates of
// ablations. Layers tell their part through Layer::geometry (core/module.h).

#include <cstdint>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

/// One layer, or a convolution with the norm and activation behind it. Figures are for one image.
struct SummaryRow {
  std::string name;  ///< "input", "conv2_1" (stage and place in it), "maxpool", "linear", ...
  std::string path;  ///< the layer's path in the model, as its parameters are named: "features.7"
  /// Output size: n = floor((n_in + 2p - ((F-1)D+1)) / s) + 1 for kernel F and dilation D. A sequence has height 1.
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t channels = 1;
  /// j = j_in * s: input pixels between two neighbouring outputs; j_in / s for transposed convolution and upsampling.
  double jump = 1;
  /// RF = RF_in + (F-1) * D * j_in: input pixels that one output sees, per side. An output of a transposed convolution
  /// reads at most ceil(((F-1)D+1) / s) neighbouring inputs, which stands there for (F-1)D+1.
  std::int64_t receptive_field = 1;
  std::int64_t parameters = 0;
  double multiply_adds = 0;
  std::int64_t activation_bytes = 0;  ///< the output volume
  /// Of a fully connected layer between the same two volumes; 0 where that means nothing.
  double dense_parameters = 0;
};

struct Summary {
  std::vector<SummaryRow> rows;  ///< the input, then layers in the order in which they ran
  std::int64_t parameters = 0;   ///< all of the model's, each once
  double multiply_adds = 0;
  std::int64_t activation_bytes = 0;
  double dense_parameters = 0;
};

/// Sends one zero image of shape `input` (H,W,C) through the model in eval mode, in the dtype of its
/// parameters, and reports every layer that ran. Modes are restored; values and gradients stay as they are.
///
/// A convolution is named by its stage and its place in it; a stage ends where the jump changes: in a
/// VGG, with its max pool.
///
/// Branches: jump and receptive field follow the data, so parallel paths have their own, and where paths meet (an
/// addition, a concatenation) the largest of each continues. Of kernels and strides that are not square, the larger
/// side counts. After flattening, a feature sees what all positions together saw. Throws ShapeError where the input
/// does not fit.
Summary summarize(Layer& model, const Shape& input);

/// An aligned text table ("#", name, n, j, RF, then the rest) with totals in the last line.
std::string format_summary(const Summary& summary);

}  // namespace striate

#pragma once
// What a convolutional net has inside, to be looked at: the filters that it begins with, and the feature volume at the
// end of every stage. Drawn by apps/report/net_pictures.h.

#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

struct FeatureMaps {
  std::string path;  ///< of the layer that gave them
  double jump = 1;   ///< input pixels between two neighbouring places
  Tensor values;     ///< (N,H,W,C), outside the graph
};

/// The feature volume at the end of every stage, which ends where a stride or a scale changes the size, for images
/// (N,H,W,C) in eval mode. Of the stage's layers it is the last of those that lie least deep: of residual blocks the
/// sum, not what is inside. A stage without parameters, such as a last pool, is none; the head (Module::head) is left
/// out. Nothing of a model without such maps. Throws ShapeError where the images do not fit.
std::vector<FeatureMaps> stage_maps(Layer& model, const Tensor& images);

/// The first filters of the model, (R,S,C,K); undefined where it has no 2-d convolution.
Tensor first_filters(const Module& model);

}  // namespace striate

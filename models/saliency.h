#pragma once
// Where in an image a model finds a class: the gradient of the class's logit with respect to the image, and Grad-CAM.
// Drawn by apps/report/net_pictures.h.

#include <cstdint>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

/// |d logit / d image|, the largest of the channels (Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional
/// Networks", 2013): images (N,H,W,C) and a class for each -> (N,H,W). In eval mode. The logit of a class in logits of
/// pixels (N,H,W,K) is the sum over all pixels. Throws ShapeError for images and logits of other ranks,
/// std::invalid_argument for a class that is none.
Tensor saliency(Layer& model, const Tensor& images, const std::vector<std::int64_t>& classes);

/// Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
/// 2017) of the layer at this path, with output A (N,h,w,C): relu(sum over c of weight_c * A_c) as (N,h,w), where
/// weight_c is the mean over all places of d logit / d A_c. Otherwise as saliency. Throws std::invalid_argument where
/// there is no layer with such an output at the path, with the paths of those that have one.
Tensor grad_cam(Layer& model, const Tensor& images, const std::vector<std::int64_t>& classes, const std::string& path);

}  // namespace striate

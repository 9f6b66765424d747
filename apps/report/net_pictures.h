#pragma once
// Pictures of a net, u8 (H,W,3), with their captions: filters, feature maps, saliency, Grad-CAM and receptive fields.
// `striate show` puts them into a file each, reports onto a page. What they show is computed in models/feature_maps.h,
// saliency.h and receptive_field.h.

#include <cstdint>
#include <string>
#include <vector>

#include "apps/report/picture.h"
#include "core/module.h"
#include "models/feature_maps.h"
#include "models/receptive_field.h"

namespace striate::cli {

/// The model's first filters, at most 256 of them, each normalised to its least and largest weight: in colour where
/// they read three channels, else a row for each filter with its first channels in grey. Throws std::invalid_argument
/// for a model without a 2-d convolution.
Captioned filters_picture(const Module& model);

/// A grid of the first `most` maps of the first image, each normalised to its least and largest value; the caption
/// names the layer, the size, and how many of the maps are shown.
Captioned maps_picture(const FeatureMaps& maps, std::int64_t most = 64);

/// A picture u8 (H,W,C), and a heat map (h,w) or (1,h,w) of it, stretched to its size: the picture, the heat, and both,
/// side by side. The heat's colours go from 0 to the value that the `part` of all values is below (1: to the largest).
Tensor heat_panels(const Tensor& picture, const Tensor& heat, double part = 1);

/// The root of the gradient's share as heat, over `picture` u8 (H,W,C) where that is defined; in it the square of the
/// theoretical field in dashes and that of the effective one in a line. The caption has layer and sides.
Captioned field_picture(const ReceptiveField& field, const Tensor& picture = {});

}  // namespace striate::cli

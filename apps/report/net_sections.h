#pragma once
// The parts of a report that show a net and what it makes of images. Called by apps/report/report.cpp.

#include <cstdint>
#include <string>

#include "data/dataset.h"
#include "models/weights.h"

namespace striate::cli {

/// The summary, and the filters of the first layer.
std::string net_html(const LoadedModel& net);

/// The confusion matrix and the most confident mistakes; the receptive fields, and for so many `pictures` their feature
/// maps, Grad-CAM and saliency.
std::string images_html(const LoadedModel& net, const Dataset& images, std::int64_t pictures);

}  // namespace striate::cli

#pragma once
// Models by name.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

/// What every registered model understands.
struct ModelOptions {
  double width_multiplier = 1;
  std::int64_t classes = 10;
  double dropout = 0;
  std::int64_t in_channels = 3;
  bool zero_gamma = false;  ///< residual blocks start as their shortcut; models without any throw std::invalid_argument
};

using ModelFactory = std::function<std::unique_ptr<Layer>(const ModelOptions& options)>;

/// A fresh model, initialised from default_generator(). An unknown name throws std::invalid_argument with the
/// nearest right one and all names.
std::unique_ptr<Layer> make_model(const std::string& name, const ModelOptions& options = {});

/// All names, in the order of their registration. Built in: vgg11, vgg13, vgg16, vgg19 (with batch norm) and
/// vgg11_nobn, ... (without); resnet18, resnet34, resnet50; for small images resnet20, resnet32, resnet56, and
/// resnet29, of bottlenecks. Those of bottlenecks also with a letter for their tweaks, resnet50a to resnet50d and
/// resnet29a to resnet29d: a is the paper's base, b the one without a letter (see models/resnet.h).
std::vector<std::string> model_names();

/// Makes a model known to make_model, and so to whatever chooses models by name. Throws std::invalid_argument
/// for a name that is taken or empty. Not for use from several threads at once.
void register_model(const std::string& name, ModelFactory factory);

}  // namespace striate

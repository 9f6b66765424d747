#pragma once
// Models by name, for the command line and for whoever chooses a model at run time. A model of one's own joins with
// register_model(). Built-in ones: models/vgg.h, models/resnet.h, models/lenet.h.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/module.h"
#include "core/named_options.h"

namespace striate {

/// What a model is built for. Its own options go by name: `make_model("vgg16", {.options = {{"dropout", 0.5}}})`.
struct ModelOptions {
  std::int64_t classes = 10;
  std::int64_t in_channels = 3;
  std::int64_t height = 32;  ///< of the images, for models that depend on it
  std::int64_t width = 32;
  NamedOptions options = {};
};

/// Reads from options.options what the model knows, each with its default.
using ModelFactory = std::function<std::unique_ptr<Layer>(const ModelOptions& options)>;

/// A fresh model, initialised from default_generator(). `name` may carry options, "vgg16:dropout=0.5,...", which win
/// over those in `options`. Throws std::invalid_argument for an unknown name and for an option that the model did not
/// read, with the nearest right one, and for values that the model refuses.
std::unique_ptr<Layer> make_model(const std::string& name, const ModelOptions& options = {});

/// All names, in the order of their registration. Built in: vgg11, vgg13, vgg16, vgg19 (with batch norm) and
/// vgg11_nobn, ... (without); resnet18, resnet34, resnet50; for small images resnet20, resnet32, resnet56, and
/// resnet29, of bottlenecks. Those of bottlenecks also with a letter for their tweaks, resnet50a to resnet50d and
/// resnet29a to resnet29d: a is the paper's base, b the one without a letter (see models/resnet.h). Their options:
/// width_multiplier, dropout, and of the ResNets zero_gamma. lenet has the option padding. alexnet, mobilenet_v1 and
/// mobilenet_v2 have width_multiplier and dropout. For recordings m3, m5, m11 and m18, which have stride as well. unet,
/// for pixels, has width_multiplier and bilinear.
std::vector<std::string> model_names();

/// Makes a model known to make_model, and so to every subcommand. Throws std::invalid_argument for a name that is
/// taken, empty, or holds ":", ",", "=" or a space. Not for use from several threads at once.
void register_model(const std::string& name, ModelFactory factory);
/// For a model that is constructed from ModelOptions.
template <class Model>
void register_model(const std::string& name) {
  register_model(name, [](const ModelOptions& options) { return std::make_unique<Model>(options); });
}

}  // namespace striate

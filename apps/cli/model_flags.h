#pragma once
// The flags that name a model: for subcommands that build one (bench, summary) and those that load one (eval, predict).

#include <optional>
#include <string>

#include "models/registry.h"
#include "models/weights.h"

namespace CLI {
class App;
}

namespace striate::cli {

/// Empty where a flag was not given.
struct ModelFlags {
  std::string model = {};
  std::optional<double> width_multiplier = {};
  std::string precision = {};
  std::string input = {};  ///< an image's size, HxWxC
};

/// Declares --width-multiplier and --input; `otherwise` tells in the help what holds where they are not given.
void add_shape_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise = "");
/// Declares --model and --precision too.
void add_model_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise = "");

/// --input as (height,width,channels), 32x32x3 where it was not given. Throws UsageError.
Shape input_of(const ModelFlags& flags);
/// What make_model takes besides the name. Throws UsageError.
ModelOptions model_options(const ModelFlags& flags);
/// What wins over the card of a file of weights. Throws UsageError.
LoadOptions load_options(const ModelFlags& flags);

}  // namespace striate::cli

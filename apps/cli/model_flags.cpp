#include "apps/cli/model_flags.h"

#include <CLI/CLI.hpp>

#include "apps/cli/command_line.h"

namespace striate::cli {
namespace {

NamedOptions width_option(const ModelFlags& flags) {
  NamedOptions options;
  if (!flags.width_multiplier) return options;
  if (parse_name_and_options(flags.model).options.has("width_multiplier")) {
    throw UsageError("--width-multiplier and " + flags.model + " both set width_multiplier; give one of them");
  }
  options.set("width_multiplier", *flags.width_multiplier);
  return options;
}

}  // namespace

void add_shape_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise) {
  app.add_option("--width-multiplier", flags.width_multiplier, "Factor on all channel counts" + otherwise);
  app.add_option("--input", flags.input, "Size of an image" + otherwise)->type_name("HxWxC")->capture_default_str();
}

void add_model_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise) {
  app.add_option("--model", flags.model, "Model by name, with its options: resnet20:dropout=0.1" + otherwise)
      ->capture_default_str();
  app.add_option("--precision", flags.precision, "fp32, bf16, fp16 or fp64" + otherwise)->capture_default_str();
  add_shape_flags(app, flags, otherwise);
}

Shape input_of(const ModelFlags& flags) {
  return flags.input.empty() ? Shape{32, 32, 3} : parse_sizes(flags.input, "input");
}

ModelOptions model_options(const ModelFlags& flags) {
  const Shape input = input_of(flags);
  return {.in_channels = input[2], .height = input[0], .width = input[1], .options = width_option(flags)};
}

LoadOptions load_options(const ModelFlags& flags) {
  LoadOptions options{.model = flags.model, .options = width_option(flags), .precision = flags.precision};
  if (!flags.precision.empty()) one_of("precision", flags.precision, precision_names());
  if (!flags.input.empty()) options.input = input_of(flags);
  return options;
}

}  // namespace striate::cli

// `striate summary`: the table of models/summary.h, of a model by name or of a file of weights.

#include "models/summary.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <system_error>

#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/cli/train_flags.h"
#include "apps/training/evaluate.h"
#include "core/printable.h"
#include "core/text.h"
#include "models/registry.h"

namespace striate::cli {
namespace {

// A file need not be called as files of weights usually are.
bool is_file(const std::string& name) {
  const auto models = model_names();
  if (std::find(models.begin(), models.end(), name_part(name)) != models.end()) return false;
  std::error_code none;
  return name.ends_with(".safetensors") || name.ends_with(".pth") || name.ends_with(".pt") ||
         name.find('/') != std::string::npos || std::filesystem::exists(name, none);
}

}  // namespace

int run_summary(const Arguments& arguments) {
  std::string name;
  ModelFlags flags;
  CLI::App app("Shows a model layer by layer: output size n, jump j, receptive field RF, parameters, cost.", "summary");
  app.add_option("MODEL", name, "Model by name (with its options: resnet20:dropout=0.1), or a file of weights")
      ->required();
  add_shape_flags(app, flags, " (default: the file's; 1 and 32x32x3)");
  parse(app, arguments);
  if (is_file(name)) {
    const LoadedModel loaded = load_model(name, flags);
    const ModelCard& card = loaded.card;
    show("{}", format_summary(summarize(*loaded.model, {card.height, card.width, card.channels})));
    const bool recordings = card.sample_rate > 0;
    show("{} {}: ({} - mean) / std, {}; {} classes: {}\n", recordings ? "recordings of" : "images",
         to_string(input_shape(card)), recordings ? "sample" : "byte/255", text_of(card.normalization),
         card.class_names.size(), printable(joined(card.class_names), 2000));
    if (!card.transforms.empty()) show("evaluated after: {}\n", printable(joined(card.transforms)));
  } else {
    flags.model = name;
    const auto model = make_model(name, model_options(flags));
    show("{}", format_summary(summarize(*model, input_of(flags))));
  }
  return 0;
}

}  // namespace striate::cli

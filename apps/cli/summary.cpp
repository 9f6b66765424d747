#include "models/summary.h"

#include <spdlog/fmt/fmt.h>

#include "apps/cli/commands.h"
#include "models/registry.h"

namespace striate::cli {
int run_summary(const Arguments& arguments) {
  std::string name;
  std::string input = "32x32x3";
  double width_multiplier = 1;
  CLI::App app("Shows a model layer by layer: output size n, jump j, receptive field RF, parameters, cost.", "summary");
  app.add_option("MODEL", name, "Model by name")->required();
  app.add_option("--input", input, "Size of an image")->type_name("HxWxC")->capture_default_str();
  app.add_option("--width-multiplier", width_multiplier, "Factor on all channel counts")->capture_default_str();
  parse(app, arguments);
  const Shape shape = parse_sizes(input, "input");
  const auto model = make_model(
      name, {.in_channels = shape[2],
             .height = shape[0],
             .width = shape[1],
             .options = width_multiplier == 1 ? NamedOptions() : NamedOptions{{"width_multiplier", width_multiplier}}});
  fmt::print("{}", format_summary(summarize(*model, shape)));
  return 0;
}

}  // namespace striate::cli

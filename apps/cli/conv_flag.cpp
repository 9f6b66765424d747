#include "apps/cli/conv_flag.h"

#include <CLI/CLI.hpp>
#include <vector>

#include "apps/cli/command_line.h"
#include "core/text.h"

namespace striate::cli {

std::string conv_flag_help() {
  return "Algorithm of convolutions: " + joined(conv_algorithm_names()) +
         "; automatic takes the fastest of each layer, and stands in where the other cannot do it";
}

void add_conv_flag(CLI::App& app, std::string& name) {
  app.add_option("--conv", name, conv_flag_help())->capture_default_str();
}

const ConvAlgorithm* conv_algorithm_of(const std::string& name) {
  const std::vector<std::string> names = conv_algorithm_names();
  return conv_algorithm(names[one_of("conv", name, names)]);
}

}  // namespace striate::cli

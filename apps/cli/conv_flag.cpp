#include "apps/cli/conv_flag.h"

#include <vector>

#include "apps/cli/command_line.h"

namespace striate::cli {

void add_conv_flag(CLI::App& app, std::string& name) {
  app.add_option("--conv", name,
                 "Convolutions by automatic, im2col, direct, winograd_f2 or winograd_f4; automatic where that "
                 "cannot do a layer's shape")
      ->capture_default_str();
}

ConvAlgorithm conv_algorithm_of(const std::string& name) {
  using enum ConvAlgorithm;
  const std::vector<ConvAlgorithm> all = {automatic, im2col, direct, winograd_f2, winograd_f4};
  std::vector<std::string> names;
  for (const ConvAlgorithm algorithm : all) names.emplace_back(to_string(algorithm));
  return all[one_of("conv", name, names)];
}

}  // namespace striate::cli

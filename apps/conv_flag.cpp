#include "apps/conv_flag.h"

#include <vector>

#include "apps/command_line.h"
#include "core/nearest_name.h"

namespace striate::apps {

void add_conv_flag(CLI::App& app, std::string& name) {
  app.add_option("--conv", name,
                 "Convolutions by automatic, im2col, direct, winograd_f2 or winograd_f4; automatic where that "
                 "cannot do a layer's shape")
      ->capture_default_str();
}

ConvAlgorithm conv_algorithm_of(const std::string& name) {
  std::vector<std::string> names;
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::automatic, ConvAlgorithm::im2col, ConvAlgorithm::direct,
                                        ConvAlgorithm::winograd_f2, ConvAlgorithm::winograd_f4}) {
    names.emplace_back(to_string(algorithm));
    if (name == names.back()) return algorithm;
  }
  throw UsageError("--conv is automatic, im2col, direct, winograd_f2 or winograd_f4, got " + name + "; did you mean " +
                   nearest_name(name, names) + "?");
}

}  // namespace striate::apps

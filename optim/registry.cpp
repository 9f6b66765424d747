#include "optim/registry.h"

#include <utility>

#include "core/registry.h"
#include "optim/adamw.h"
#include "optim/sgd.h"

namespace striate {

namespace {

std::unique_ptr<Optimizer> make_sgd(std::vector<ParameterGroup> groups, const NamedOptions& o) {
  const SgdOptions defaults;
  return std::make_unique<Sgd>(std::move(groups), SgdOptions{.momentum = o.real("momentum", defaults.momentum),
                                                             .dampening = o.real("dampening", defaults.dampening),
                                                             .nesterov = o.flag("nesterov", defaults.nesterov)});
}

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups, const NamedOptions& o) {
  const AdamWOptions defaults;
  return std::make_unique<AdamW>(std::move(groups), AdamWOptions{.beta1 = o.real("beta1", defaults.beta1),
                                                                 .beta2 = o.real("beta2", defaults.beta2),
                                                                 .eps = o.real("eps", defaults.eps)});
}

Registry<OptimizerFactory>& registry() {
  static Registry<OptimizerFactory> optimizers("optimizer", {{"sgd", make_sgd}, {"adamw", make_adamw}});
  return optimizers;
}

}  // namespace

void register_optimizer(const std::string& name, OptimizerFactory factory) { registry().add(name, std::move(factory)); }

std::vector<std::string> optimizer_names() { return registry().names(); }

std::unique_ptr<Optimizer> make_optimizer(const std::string& name_and_options, std::vector<ParameterGroup> groups) {
  const auto [name, options] = parse_name_and_options(name_and_options);
  auto optimizer = registry().at(name)(std::move(groups), options);
  options.expect_all_read(name);
  return optimizer;
}

}  // namespace striate

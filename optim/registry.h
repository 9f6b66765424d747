#pragma once
// Optimisers by name: Sgd and AdamW, and those that a program registers. Called by whatever reads a configuration;
// a program that knows its optimiser makes it directly.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/named_options.h"
#include "optim/optimizer.h"

namespace striate {

using OptimizerFactory =
    std::function<std::unique_ptr<Optimizer>(std::vector<ParameterGroup> groups, const NamedOptions& options)>;

/// Throws std::invalid_argument for a name that is taken. Built in are
///   sgd    momentum (0), dampening (0), nesterov (false)
///   adamw  beta1 (0.9), beta2 (0.999), eps (1e-8)
void register_optimizer(const std::string& name, OptimizerFactory factory);
/// For a kind that is constructed from groups and options.
template <class Kind>
void register_optimizer(const std::string& name) {
  register_optimizer(name, [](std::vector<ParameterGroup> groups, const NamedOptions& options) {
    return std::make_unique<Kind>(std::move(groups), options);
  });
}

/// Built-in ones first.
std::vector<std::string> optimizer_names();

/// "adamw:beta1=0.9,eps=1e-6", with learning rates and weight decays as the groups have them. Throws
/// std::invalid_argument for a name that is not known, and for options that the optimiser has not or refuses; no groups
/// at all are enough to find out.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name_and_options, std::vector<ParameterGroup> groups);

}  // namespace striate

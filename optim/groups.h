#pragma once
// Which parameters train, and with which settings. Prefixes are whole components of dotted paths:
// "features.0" stands for "features.0.weight", not for "features.01.weight".

#include <string>
#include <vector>

#include "core/module.h"
#include "optim/optimizer.h"

namespace striate {

/// Whether `name` is `prefix` or below it.
bool is_below(const std::string& name, const std::string& prefix);

struct GroupOptions {
  double lr = 1e-3;
  double weight_decay = 0;
  bool no_bias_decay = false;            ///< parameters of rank 0 and 1 (biases, norms) without weight decay
  std::vector<std::string> frozen = {};  ///< prefixes of what does not train
  std::string head = {};                 ///< prefix of the classifier; empty for none
  double head_lr_scale = 1;              ///< times lr, for what is below head
  double norm_lr_scale = 1;              ///< times lr, for the scales and shifts of norms
};

/// All parameters that are not frozen, in one group for each pair of settings, in the order in which the
/// module names them first. A norm's are those of a module whose own parameters are all of rank 0 and 1;
/// scales multiply. Call set_frozen() with the same prefixes before the optimiser is made.
/// Throws std::invalid_argument for a prefix that matches no parameter or module, for scales that are not >=
/// 0, and where nothing is left to train.
std::vector<ParameterGroup> make_groups(const Module& module, const GroupOptions& options = {});

/// Turns requires_grad off for all parameters below the prefixes, so that backward neither computes nor
/// stores their gradients nor goes further down than it must, and puts the modules there into eval mode:
/// batch norms keep their running statistics and dropout passes through. Module::train() turns that last
/// part back, so call this again after it. Throws std::invalid_argument for a prefix that matches nothing,
/// with the nearest name there is, and changes nothing then.
void set_frozen(Module& module, const std::vector<std::string>& prefixes);

}  // namespace striate

#include "optim/groups.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include "core/nearest_name.h"

namespace striate {

namespace {

std::string parent_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

bool is_below_any(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) { return is_below(name, prefix); });
}

/// Calls f(path, module) for all modules below this one; paths are relative to it.
template <class F>
void for_each_below(const Module& module, const std::string& path, F& f) {
  for (Module* child : module.children()) {
    const std::string child_path = path.empty() ? child->name() : path + "." + child->name();
    f(child_path, *child);
    for_each_below(*child, child_path, f);
  }
}

/// Throws for a prefix that is the name of neither a module nor a parameter.
void check_prefixes(const Module& module, const std::vector<std::string>& prefixes) {
  std::vector<std::string> names;
  auto collect = [&](const std::string& path, const Module&) { names.push_back(path); };
  for_each_below(module, "", collect);
  for (const NamedTensor& parameter : module.parameters()) names.push_back(parameter.name);
  for (const std::string& prefix : prefixes) {
    if (std::find(names.begin(), names.end(), prefix) != names.end()) continue;
    const std::string nearest = nearest_name(prefix, names);
    throw std::invalid_argument("[groups] expected the path of a module or parameter, got \"" + prefix + "\"" +
                                (nearest.empty() ? "" : "; the nearest is \"" + nearest + "\""));
  }
}

void check_scale(const char* name, double scale) {
  if (std::isfinite(scale) && scale >= 0) return;
  throw std::invalid_argument("[groups] expected " + std::string(name) + " >= 0, got " + std::to_string(scale));
}

/// Paths of modules with an own parameter of rank 2 or more: their biases belong to no norm.
std::unordered_set<std::string> modules_with_matrices(const std::vector<NamedTensor>& parameters) {
  std::unordered_set<std::string> paths;
  for (const NamedTensor& parameter : parameters) {
    if (parameter.value.rank() >= 2) paths.insert(parent_of(parameter.name));
  }
  return paths;
}

void add_to_groups(std::vector<ParameterGroup>& groups, NamedTensor parameter, const SgdOptions& options) {
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const ParameterGroup& group) {
    return group.options.lr_scale == options.lr_scale && group.options.weight_decay == options.weight_decay;
  });
  if (found != groups.end()) {
    found->parameters.push_back(std::move(parameter));
  } else {
    groups.push_back({{std::move(parameter)}, options});
  }
}

}  // namespace

bool is_below(const std::string& name, const std::string& prefix) {
  return name.starts_with(prefix) && (name.size() == prefix.size() || name[prefix.size()] == '.');
}

std::vector<ParameterGroup> make_groups(const Module& module, const SgdOptions& options, const GroupOptions& groups) {
  check_prefixes(module, groups.frozen);
  if (!groups.head.empty()) check_prefixes(module, {groups.head});
  check_scale("head_lr_scale", groups.head_lr_scale);
  check_scale("norm_lr_scale", groups.norm_lr_scale);
  const std::vector<NamedTensor> parameters = module.parameters();
  const std::unordered_set<std::string> matrices = modules_with_matrices(parameters);
  std::vector<ParameterGroup> result;
  for (const NamedTensor& parameter : parameters) {
    if (is_below_any(parameter.name, groups.frozen)) continue;
    double scale = 1;
    if (!groups.head.empty() && is_below(parameter.name, groups.head)) scale *= groups.head_lr_scale;
    if (!matrices.contains(parent_of(parameter.name))) scale *= groups.norm_lr_scale;
    SgdOptions own = options;
    own.lr *= scale;
    own.lr_scale *= scale;
    if (groups.no_bias_decay && parameter.value.rank() < 2) own.weight_decay = 0;
    add_to_groups(result, parameter, own);
  }
  if (result.empty()) throw std::invalid_argument("[groups] expected parameters to train, got none that is not frozen");
  return result;
}

void set_frozen(Module& module, const std::vector<std::string>& prefixes) {
  check_prefixes(module, prefixes);
  for (NamedTensor& parameter : module.parameters()) {
    if (is_below_any(parameter.name, prefixes)) parameter.value.set_requires_grad(false);
  }
  auto rest = [&](const std::string& path, Module& below) {
    if (is_below_any(path, prefixes)) below.eval();
  };
  for_each_below(module, "", rest);
}

}  // namespace striate

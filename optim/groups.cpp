#include "optim/groups.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "core/check.h"
#include "core/printable.h"
#include "core/text.h"

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
    expect(false, "groups", "the path of a module or parameter",
           "\"" + printable(prefix) + "\"" + (nearest.empty() ? "" : "; the nearest is \"" + nearest + "\""));
  }
}

void check_scale(const char* expected, double scale) {
  expect(std::isfinite(scale) && scale >= 0, "groups", expected, scale);
}

/// Paths of modules with an own parameter of rank 2 or more: their biases belong to no norm.
std::unordered_set<std::string> modules_with_matrices(const std::vector<NamedTensor>& parameters) {
  std::unordered_set<std::string> paths;
  for (const NamedTensor& parameter : parameters) {
    if (parameter.value.rank() >= 2) paths.insert(parent_of(parameter.name));
  }
  return paths;
}

/// The group of these settings, a new one where there is none yet.
ParameterGroup& group_of(std::vector<ParameterGroup>& groups, const ParameterGroup& settings) {
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const ParameterGroup& group) {
    return group.lr_scale == settings.lr_scale && group.weight_decay == settings.weight_decay;
  });
  return found != groups.end() ? *found : groups.emplace_back(settings);
}

}  // namespace

bool is_below(const std::string& name, const std::string& prefix) {
  return name.starts_with(prefix) && (name.size() == prefix.size() || name[prefix.size()] == '.');
}

std::vector<ParameterGroup> make_groups(const Module& module, const GroupOptions& options) {
  check_prefixes(module, options.frozen);
  if (!options.head.empty()) check_prefixes(module, {options.head});
  check_scale("head_lr_scale >= 0", options.head_lr_scale);
  check_scale("norm_lr_scale >= 0", options.norm_lr_scale);
  const std::vector<NamedTensor> parameters = module.parameters();
  const std::unordered_set<std::string> matrices = modules_with_matrices(parameters);
  std::vector<ParameterGroup> groups;
  for (const NamedTensor& parameter : parameters) {
    if (is_below_any(parameter.name, options.frozen)) continue;
    double scale = 1;
    if (!options.head.empty() && is_below(parameter.name, options.head)) scale *= options.head_lr_scale;
    if (!matrices.contains(parent_of(parameter.name))) scale *= options.norm_lr_scale;
    const bool decays = !options.no_bias_decay || parameter.value.rank() >= 2;
    const ParameterGroup settings{.parameters = {},
                                  .lr = options.lr * scale,
                                  .lr_scale = scale,
                                  .weight_decay = decays ? options.weight_decay : 0};
    group_of(groups, settings).parameters.push_back(parameter);
  }
  expect(!groups.empty(), "groups", "parameters to train", "none that is not frozen");
  return groups;
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

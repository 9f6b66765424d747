#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/autograd.h"
#include "core/check.h"

namespace striate {

namespace {

constexpr const char* step_name = "step";
constexpr const char* groups_name = "groups";
/// A row of lr, lr_scale and weight_decay for each.
Shape settings_shape(const std::vector<ParameterGroup>& groups) {
  return {static_cast<std::int64_t>(groups.size()), 3};
}

std::string entry_prefix(const std::string& slot) { return slot + "."; }
std::string entry(const std::string& slot, const NamedTensor& parameter) { return entry_prefix(slot) + parameter.name; }

bool in_range(double value) { return std::isfinite(value) && value >= 0; }

void check_group(const std::string& op, const ParameterGroup& group) {
  expect(in_range(group.lr), op, "lr >= 0", group.lr);
  expect(in_range(group.lr_scale), op, "lr_scale >= 0", group.lr_scale);
  expect(in_range(group.weight_decay), op, "weight_decay >= 0", group.weight_decay);
}

void check_parameter(const std::string& op, const NamedTensor& parameter) {
  const Tensor& value = parameter.value;
  const std::string dtype = value.defined() ? to_string(value.dtype()) : "no tensor";
  expect(dtype == "f32" || dtype == "f64", op, "parameters of f32 or f64", dtype + " for " + parameter.name);
  expect(value.requires_grad() && value.node()->leaf, op, "parameters that want gradients", parameter.name);
}

}  // namespace

Optimizer::Optimizer(std::string name, std::vector<ParameterGroup> groups, std::vector<std::string> slots,
                     NamedOptions options)
    : name_(std::move(name)), groups_(std::move(groups)), slots_(std::move(slots)), options_(std::move(options)) {
  std::unordered_set<std::string> names;
  for (const std::string& slot : slots_) {
    expect(slot != step_name && names.insert(slot).second, name_, "slots with names of their own, none \"step\"", slot);
  }
  names.clear();
  for (const ParameterGroup& group : groups_) {
    check_group(name_, group);
    for (const NamedTensor& parameter : group.parameters) {
      check_parameter(name_, parameter);
      expect(names.insert(parameter.name).second, name_, "every parameter once", parameter.name + " twice");
    }
    states_.emplace_back(group.parameters.size());
  }
}

template <class Self, class F>
void Optimizer::for_each(Self& self, F f) {
  for (std::size_t i = 0; i < self.groups_.size(); ++i) {
    for (std::size_t j = 0; j < self.states_[i].size(); ++j) {
      f(self.groups_[i], self.groups_[i].parameters[j], self.states_[i][j]);
    }
  }
}

void Optimizer::step() {
  for_each(*this, [this](const ParameterGroup& group, const NamedTensor& parameter, ParameterState& state) {
    const Tensor& value = parameter.value;
    const Tensor gradient = value.grad();
    if (!gradient.defined()) return;
    if (state.step++ == 0) {
      for (std::size_t k = 0; k < slots_.size(); ++k) {
        state.slots.push_back(Tensor::zeros(value.shape(), value.dtype()));
      }
    }
    update(group, value, gradient, state);
  });
}

void Optimizer::zero_grad() {
  for_each(*this, [](auto&, NamedTensor& parameter, auto&) {
    if (parameter.value.requires_grad()) parameter.value.set_grad({});
  });
}

void Optimizer::set_lr(double lr) {
  expect(in_range(lr), name_, "lr >= 0", lr);
  for (ParameterGroup& group : groups_) group.lr = lr * group.lr_scale;
}

std::string Optimizer::description() const { return options_.empty() ? name_ : name_ + ":" + to_string(options_); }

FileState Optimizer::state() const {
  FileState state;
  for_each(*this, [&](auto&, const NamedTensor& parameter, const ParameterState& own) {
    if (own.step == 0) return;
    for (std::size_t k = 0; k < slots_.size(); ++k) {
      state.emplace_back(entry(slots_[k], parameter), to_file_layout(own.slots[k], parameter.file_axes));
    }
    state.emplace_back(entry(step_name, parameter), Tensor::from<std::int64_t>({}, {own.step}));
  });
  std::vector<double> settings;
  for (const ParameterGroup& group : groups_) {
    settings.insert(settings.end(), {group.lr, group.lr_scale, group.weight_decay});
  }
  state.emplace_back(groups_name, Tensor::from(settings_shape(groups_), settings));
  return state;
}

std::string Optimizer::state_problems(const FileState& state) const {
  std::unordered_set<std::string> given;
  for (const auto& [name, tensor] : state) given.insert(name);
  std::vector<NamedTensor> wanted{{groups_name, Tensor::empty(settings_shape(groups_), DType::f64), {}}};
  for_each(*this, [&](auto&, const NamedTensor& parameter, auto&) {
    std::vector<NamedTensor> own{{entry(step_name, parameter), Tensor::empty({}, DType::i64), {}}};
    for (const std::string& slot : slots_) {
      own.push_back({entry(slot, parameter), parameter.value, parameter.file_axes});
    }
    // All of them, or none where the parameter was never updated.
    const bool any = std::any_of(own.begin(), own.end(), [&](const auto& named) { return given.contains(named.name); });
    if (any) wanted.insert(wanted.end(), own.begin(), own.end());
  });
  std::string problems = striate::state_problems(wanted, state, Dtypes::equal);
  if (!problems.empty()) return problems;
  const auto check = [&](bool fits, const std::string& name, const char* needs, double got) {
    if (!fits) problems += "\n  mismatched: " + name + " needs " + needs + ", got " + std::to_string(got);
  };
  for (const auto& [name, tensor] : state) {
    if (name == groups_name) {
      for (const double value : tensor.to_vector()) check(in_range(value), name, "numbers >= 0", value);
    } else if (name.starts_with(entry_prefix(step_name))) {
      check(tensor.item() >= 1, name, "a count >= 1", tensor.item());
    }
  }
  return problems;
}

void Optimizer::load_state(const FileState& state) {
  const std::string problems = state_problems(state);
  if (!problems.empty())
    throw std::invalid_argument("[" + name_ + "] the state does not fit the parameters:" + problems);
  const std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  const auto* settings = given.at(groups_name).data<double>();
  for (ParameterGroup& group : groups_) {
    group.lr = *settings++;
    group.lr_scale = *settings++;
    group.weight_decay = *settings++;
  }
  for_each(*this, [&](auto&, const NamedTensor& parameter, ParameterState& own) {
    own = {};
    const auto step = given.find(entry(step_name, parameter));
    if (step == given.end()) return;
    own.step = *step->second.data<std::int64_t>();
    for (const std::string& slot : slots_) {
      own.slots.push_back(from_file_layout(given.at(entry(slot, parameter)), parameter.file_axes).clone());
    }
  });
}

}  // namespace striate

#include "optim/sgd.h"

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/autograd.h"
#include "core/parallel.h"

namespace striate {

namespace {

/// Elements a chunk updates.
constexpr std::int64_t grain = 1 << 14;

void check_range(const char* name, double value) {
  if (std::isfinite(value) && value >= 0) return;
  throw std::invalid_argument("[sgd] expected " + std::string(name) + " >= 0, got " + std::to_string(value));
}

void check_parameter(const NamedTensor& parameter) {
  const Tensor& value = parameter.value;
  if (!value.defined() || (value.dtype() != DType::f32 && value.dtype() != DType::f64)) {
    throw std::invalid_argument("[sgd] expected parameters of f32 or f64, got " +
                                (value.defined() ? to_string(value.dtype()) : "no tensor") + " for " + parameter.name);
  }
  if (!value.requires_grad() || !value.node()->leaf) {
    throw std::invalid_argument("[sgd] expected parameters that want gradients, got " + parameter.name);
  }
}

/// Settings are rounded to T first; as PyTorch, 1 - dampening is formed in double. Every product that PyTorch
/// adds in one rounding is a fused multiply-add here, and so the bits depend on no compiler.
template <class T>
void update(const SgdOptions& options, Tensor parameter, Tensor& momentum) {
  const Tensor gradient = parameter.grad();
  const auto decay = static_cast<T>(options.weight_decay);
  const auto keep = static_cast<T>(options.momentum);
  const auto take = static_cast<T>(1 - options.dampening);
  const auto minus_lr = static_cast<T>(-options.lr);
  const bool first = !momentum.defined();
  if (first && keep != 0) momentum = Tensor::zeros(parameter.shape(), parameter.dtype());
  const T* g = gradient.data<T>();
  T* w = parameter.mutable_data<T>();
  T* m = keep != 0 ? momentum.mutable_data<T>() : nullptr;
  const auto decayed = [=](std::int64_t i) { return decay != 0 ? std::fma(w[i], decay, g[i]) : g[i]; };
  const bool nesterov = options.nesterov;
  parallel_for(parameter.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
    if (m == nullptr) {
      for (std::int64_t i = begin; i < end; ++i) w[i] = std::fma(decayed(i), minus_lr, w[i]);
      return;
    }
    for (std::int64_t i = begin; i < end; ++i) {
      const T d = decayed(i);
      const T kept = m[i] * keep;
      m[i] = first ? d : std::fma(d, take, kept);
      w[i] = std::fma(nesterov ? std::fma(m[i], keep, d) : m[i], minus_lr, w[i]);
    }
  });
}

}  // namespace

void check_options(const SgdOptions& options) {
  check_range("lr", options.lr);
  check_range("momentum", options.momentum);
  check_range("weight_decay", options.weight_decay);
  check_range("lr_scale", options.lr_scale);
  if (!std::isfinite(options.dampening)) {
    throw std::invalid_argument("[sgd] expected a finite dampening, got " + std::to_string(options.dampening));
  }
  if (options.nesterov && (options.momentum <= 0 || options.dampening != 0)) {
    throw std::invalid_argument("[sgd] expected momentum > 0 and dampening 0 with nesterov, got momentum " +
                                std::to_string(options.momentum) + " and dampening " +
                                std::to_string(options.dampening));
  }
}

Sgd::Sgd(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {
  std::unordered_set<std::string> names;
  for (const ParameterGroup& group : groups_) {
    check_options(group.options);
    for (const NamedTensor& parameter : group.parameters) {
      check_parameter(parameter);
      if (!names.insert(parameter.name).second) {
        throw std::invalid_argument("[sgd] expected every parameter once, got " + parameter.name + " twice");
      }
    }
    momentum_.emplace_back(group.parameters.size());
  }
}

Sgd::Sgd(std::vector<NamedTensor> parameters, const SgdOptions& options)
    : Sgd(std::vector<ParameterGroup>{{std::move(parameters), options}}) {}

void Sgd::step() {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const ParameterGroup& group = groups_[i];
    for (std::size_t j = 0; j < group.parameters.size(); ++j) {
      const Tensor& value = group.parameters[j].value;
      if (!value.grad().defined()) continue;
      if (value.dtype() == DType::f64) {
        update<double>(group.options, value, momentum_[i][j]);
      } else {
        update<float>(group.options, value, momentum_[i][j]);
      }
    }
  }
}

void Sgd::zero_grad() {
  for (ParameterGroup& group : groups_) {
    for (NamedTensor& parameter : group.parameters) {
      if (parameter.value.requires_grad()) parameter.value.set_grad({});
    }
  }
}

void Sgd::set_lr(double lr) {
  check_range("lr", lr);
  for (ParameterGroup& group : groups_) group.options.lr = lr * group.options.lr_scale;
}

void Sgd::set_options(std::size_t group, const SgdOptions& options) {
  check_options(options);
  if (group >= groups_.size()) {
    throw std::invalid_argument("[sgd] expected a group below " + std::to_string(groups_.size()) + ", got " +
                                std::to_string(group));
  }
  groups_[group].options = options;
}

std::vector<NamedTensor> Sgd::state() const {
  std::vector<NamedTensor> state;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    for (std::size_t j = 0; j < momentum_[i].size(); ++j) {
      const NamedTensor& parameter = groups_[i].parameters[j];
      if (momentum_[i][j].defined()) state.push_back({parameter.name, momentum_[i][j], parameter.file_axes});
    }
  }
  return state;
}

std::string Sgd::state_problems(const FileState& state, bool convert) const {
  std::vector<NamedTensor> all;
  for (const ParameterGroup& group : groups_) all.insert(all.end(), group.parameters.begin(), group.parameters.end());
  return striate::state_problems(all, state, {.convert = convert, .missing_allowed = true});
}

void Sgd::load_state(const FileState& state) {
  const std::string problems = state_problems(state);
  if (!problems.empty()) throw std::invalid_argument("[sgd] the state does not fit the parameters:" + problems);
  const std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    for (std::size_t j = 0; j < momentum_[i].size(); ++j) {
      const NamedTensor& parameter = groups_[i].parameters[j];
      momentum_[i][j] = Tensor();
      const auto found = given.find(parameter.name);
      if (found == given.end()) continue;
      momentum_[i][j] = Tensor::empty(parameter.value.shape(), parameter.value.dtype());
      momentum_[i][j].copy_from(from_file_layout(found->second, parameter.file_axes));
    }
  }
}

}  // namespace striate

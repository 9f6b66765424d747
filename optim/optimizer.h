#pragma once
// Optimizer: what all optimisers have in common: parameter groups, state by slot, and step(). Sgd (optim/sgd.h) and
// AdamW (optim/adamw.h) are kinds of it; optim/registry.h makes them by name. A kind of one's own overrides update():
//
//   struct SignSgd : Optimizer {
//     SignSgd(std::vector<ParameterGroup> groups, const NamedOptions& options)
//         : Optimizer("sign_sgd", std::move(groups), {}, options) {}
//     void update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState&) override {
//       for_each_element([lr = group.lr]<class T>(T& w, T g) { w -= T(lr) * T((g > 0) - (g < 0)); }, value, gradient);
//     }
//   };

#include <cstdint>
#include <string>
#include <vector>

#include "core/module.h"
#include "core/named_options.h"
#include "core/parallel.h"
#include "core/state.h"

namespace striate {

/// Parameters that share their settings. make_groups (optim/groups.h) makes them of a module.
struct ParameterGroup {
  std::vector<NamedTensor> parameters;
  double lr = 1e-3;
  double lr_scale = 1;  ///< set_lr(lr) gives the group lr * lr_scale
  double weight_decay = 0;
};

/// What an optimiser remembers of one parameter from step to step.
struct ParameterState {
  std::int64_t step = 0;      ///< updates of this parameter, the present one included
  std::vector<Tensor> slots;  ///< in the order of the optimiser's slots, alike the parameter; zeros at first
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient; the others are skipped, as in PyTorch.
  void step();
  /// Clears all gradients.
  void zero_grad();
  /// The learning rate of every group, times its lr_scale. Throws std::invalid_argument unless lr >= 0.
  void set_lr(double lr);

  [[nodiscard]] const std::vector<ParameterGroup>& groups() const { return groups_; }
  /// Names of the tensors that it keeps beside every parameter: "momentum".
  [[nodiscard]] const std::vector<std::string>& slots() const { return slots_; }
  /// The kind with its hyper-parameters, as optim/registry.h reads it: "adamw:beta1=0.9,beta2=0.999,eps=1e-08".
  [[nodiscard]] std::string description() const;

  /// All that changes from step to step, in file layout: "SLOT.PARAMETER" ("exp_avg.features.0.weight") and
  /// "step.PARAMETER" (i64) of every parameter that was ever updated, and "groups", a row of lr, lr_scale and
  /// weight_decay for each. Where axes stay the memory is the optimiser's: clone() what must outlive a step.
  [[nodiscard]] FileState state() const;
  /// Copies what state() gave; parameters that it does not name start from scratch. Throws std::invalid_argument with
  /// all that does not fit, and changes nothing then.
  void load_state(const FileState& state);
  /// What load_state would throw, a line each; empty where the state fits.
  [[nodiscard]] std::string state_problems(const FileState& state) const;

 protected:
  /// `name` goes into messages and checkpoints, with `options`, the hyper-parameters. Parameters are f32 or f64, want
  /// gradients, and have names of their own, as slots have, none of them "step". Throws std::invalid_argument.
  Optimizer(std::string name, std::vector<ParameterGroup> groups, std::vector<std::string> slots,
            NamedOptions options = {});

  /// One step of one parameter: changes `value` and `state.slots`.
  virtual void update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& state) = 0;

 private:
  /// Calls f(group, parameter, state) for every parameter.
  template <class Self, class F>
  static void for_each(Self& self, F f);

  std::string name_;
  std::vector<ParameterGroup> groups_;
  std::vector<std::string> slots_;
  NamedOptions options_;
  std::vector<std::vector<ParameterState>> states_;  ///< beside groups_[i].parameters
};

/// Calls body(w, g, s...) for every element of a parameter, its gradient and these slots, in parallel. w and s are
/// references to float or double, as the parameter has it: one generic lambda serves both.
template <class Body, class... Slots>
void for_each_element(const Body& body, Tensor value, const Tensor& gradient, Slots... slots) {
  constexpr std::int64_t grain = 1 << 14;
  const auto run = [&]<class T>(T* w, const T* g, auto*... s) {
    parallel_for(value.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
      const Body local = body;  // on the stack, where no write to w or s can change it
      for (std::int64_t i = begin; i < end; ++i) local(w[i], g[i], s[i]...);
    });
  };
  if (value.dtype() == DType::f64) {
    run(value.mutable_data<double>(), gradient.data<double>(), slots.template mutable_data<double>()...);
  } else {
    run(value.mutable_data<float>(), gradient.data<float>(), slots.template mutable_data<float>()...);
  }
}

}  // namespace striate

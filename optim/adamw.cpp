#include "optim/adamw.h"

#include <cmath>
#include <utility>

#include "core/check.h"

namespace striate {

namespace {

NamedOptions checked(const AdamWOptions& o) {
  expect(o.beta1 >= 0 && o.beta1 < 1, "adamw", "beta1 of 0 or more and below 1", o.beta1);
  expect(o.beta2 >= 0 && o.beta2 < 1, "adamw", "beta2 of 0 or more and below 1", o.beta2);
  expect(std::isfinite(o.eps) && o.eps >= 0, "adamw", "eps >= 0", o.eps);
  return {{"beta1", o.beta1}, {"beta2", o.beta2}, {"eps", o.eps}};
}

}  // namespace

AdamW::AdamW(std::vector<NamedTensor> parameters, const AdamWOptions& o)
    : AdamW({ParameterGroup{.parameters = std::move(parameters), .lr = o.lr, .weight_decay = o.weight_decay}},
            {.beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps}) {}

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
    : Optimizer("adamw", std::move(groups), {"exp_avg", "exp_avg_sq"}, checked(options)),
      beta1_(options.beta1),
      beta2_(options.beta2),
      eps_(options.eps) {
  expect(options.lr == AdamWOptions{}.lr && options.weight_decay == AdamWOptions{}.weight_decay, "adamw",
         "lr and weight_decay in the groups", "them in the options");
}

// As in PyTorch, all that is the same for every element is formed in double and rounded to T. Products that are added
// are fused multiply-adds, and so the bits depend on no compiler.
void AdamW::update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& state) {
  const auto step = static_cast<double>(state.step);
  const double root_of_correction2 = std::sqrt(1 - std::pow(beta2_, step));
  const double minus_step_size = -group.lr / (1 - std::pow(beta1_, step));
  const double keep = 1 - group.lr * group.weight_decay;
  const auto body = [=, beta1 = beta1_, beta2 = beta2_, eps = eps_]<class T>(T& w, T g, T& m, T& v) {
    m = std::fma(g, static_cast<T>(1 - beta1), m * static_cast<T>(beta1));
    v = std::fma(g * static_cast<T>(1 - beta2), g, v * static_cast<T>(beta2));
    const T divisor = std::sqrt(v) / static_cast<T>(root_of_correction2) + static_cast<T>(eps);
    w = std::fma(m / divisor, static_cast<T>(minus_step_size), w * static_cast<T>(keep));
  };
  for_each_element(body, value, gradient, state.slots[0], state.slots[1]);
}

}  // namespace striate

#include "optim/sgd.h"

#include <cmath>
#include <utility>

#include "core/check.h"

namespace striate {

namespace {

NamedOptions checked(const SgdOptions& o) {
  expect(std::isfinite(o.momentum) && o.momentum >= 0, "sgd", "momentum >= 0", o.momentum);
  expect(std::isfinite(o.dampening), "sgd", "a finite dampening", o.dampening);
  expect(!o.nesterov || (o.momentum > 0 && o.dampening == 0), "sgd", "momentum > 0 and dampening 0 with nesterov",
         "momentum " + OptionText(o.momentum).text + " and dampening " + OptionText(o.dampening).text);
  return {{"momentum", o.momentum}, {"dampening", o.dampening}, {"nesterov", o.nesterov}};
}

std::vector<std::string> slots_of(const SgdOptions& options) {
  if (options.momentum == 0) return {};
  return {"momentum"};
}

}  // namespace

Sgd::Sgd(std::vector<NamedTensor> parameters, const SgdOptions& o)
    : Sgd({ParameterGroup{.parameters = std::move(parameters), .lr = o.lr, .weight_decay = o.weight_decay}},
          {.momentum = o.momentum, .dampening = o.dampening, .nesterov = o.nesterov}) {}

Sgd::Sgd(std::vector<ParameterGroup> groups, const SgdOptions& options)
    : Optimizer("sgd", std::move(groups), slots_of(options), checked(options)),
      momentum_(options.momentum),
      dampening_(options.dampening),
      nesterov_(options.nesterov) {
  expect(options.lr == SgdOptions{}.lr && options.weight_decay == SgdOptions{}.weight_decay, "sgd",
         "lr and weight_decay in the groups", "them in the options");
}

// Settings are rounded to T first; as PyTorch, 1 - dampening is formed in double. Every product that PyTorch adds in
// one rounding is a fused multiply-add here, and so the bits depend on no compiler.
void Sgd::update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& state) {
  const auto decayed = [decay = group.weight_decay]<class T>(T w, T g) {
    return static_cast<T>(decay) != 0 ? std::fma(w, static_cast<T>(decay), g) : g;
  };
  const double minus_lr = -group.lr;
  if (state.slots.empty()) {
    for_each_element([=]<class T>(T& w, T g) { w = std::fma(decayed(w, g), static_cast<T>(minus_lr), w); }, value,
                     gradient);
    return;
  }
  const bool first = state.step == 1;
  const auto body = [=, momentum = momentum_, take = 1 - dampening_, nesterov = nesterov_]<class T>(T& w, T g, T& m) {
    const auto keep = static_cast<T>(momentum);
    const T d = decayed(w, g);
    const T kept = m * keep;
    m = first ? d : std::fma(d, static_cast<T>(take), kept);
    w = std::fma(nesterov ? std::fma(m, keep, d) : m, static_cast<T>(minus_lr), w);
  };
  for_each_element(body, value, gradient, state.slots[0]);
}

}  // namespace striate

#pragma once
// Evaluation in the middle of training: modes are put back one by one, since some modules may be in eval mode for good
// (frozen norms).

#include <utility>
#include <vector>

#include "core/module.h"

namespace striate {

/// Puts a module and all below it in eval mode; when it goes, each has the mode that it had.
class EvalGuard {
 public:
  explicit EvalGuard(Module& module) {
    remember(module);
    module.eval();
  }
  ~EvalGuard() {
    // train() reaches all below, so parents come first.
    for (const auto& [module, training] : modes_) module->train(training);
  }
  EvalGuard(const EvalGuard&) = delete;
  EvalGuard& operator=(const EvalGuard&) = delete;
  EvalGuard(EvalGuard&&) = delete;
  EvalGuard& operator=(EvalGuard&&) = delete;

 private:
  void remember(Module& module) {
    modes_.emplace_back(&module, module.training());
    for (Module* child : module.children()) remember(*child);
  }
  std::vector<std::pair<Module*, bool>> modes_;
};

}  // namespace striate

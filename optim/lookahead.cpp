#include "optim/lookahead.h"

#include <cstddef>
#include <stdexcept>
#include <utility>

#include "optim/weight_copies.h"

namespace striate {

Lookahead::Lookahead(std::vector<NamedTensor> parameters, const LookaheadOptions& options)
    : fast_(std::move(parameters)), slow_(copies_of(fast_)), options_(options) {
  if (options.every < 1) {
    throw std::invalid_argument("[lookahead] expected every >= 1, got " + std::to_string(options.every));
  }
  if (!(options.alpha >= 0 && options.alpha <= 1)) {
    throw std::invalid_argument("[lookahead] expected alpha within 0 and 1, got " + std::to_string(options.alpha));
  }
}

void Lookahead::after_step(std::int64_t step) {
  if (step % options_.every != 0) return;
  for (std::size_t i = 0; i < fast_.size(); ++i) {
    move_towards(slow_[i].value, fast_[i].value, options_.alpha);
    fast_[i].value.copy_from(slow_[i].value);
  }
}

std::map<std::string, Tensor> Lookahead::state(const std::string& prefix) const { return to_saved(slow_, prefix); }

void Lookahead::load_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix) {
  from_saved("lookahead", slow_, tensors, prefix);
}

}  // namespace striate

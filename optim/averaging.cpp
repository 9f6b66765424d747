#include "optim/averaging.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "core/state.h"
#include "optim/weight_copies.h"

namespace striate {

WeightAverage::WeightAverage(const Module& module) : weights_(named_state(module)), average_(copies_of(weights_)) {}

void WeightAverage::update_ema(double decay) {
  if (!(decay >= 0 && decay <= 1)) {
    throw std::invalid_argument("[weight_average] expected a decay within 0 and 1, got " + std::to_string(decay));
  }
  update(count_ == 0 ? 1 : 1 - decay);
}

void WeightAverage::update_equal() { update(1 / static_cast<double>(count_ + 1)); }

void WeightAverage::update(double share) {
  expect_not_swapped("update");
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    // A copy, even where the old value is not finite.
    if (share == 1) {
      average_[i].value.copy_from(weights_[i].value);
    } else {
      move_towards(average_[i].value, weights_[i].value, share);
    }
  }
  ++count_;
}

void WeightAverage::swap() {  // NOLINT(bugprone-exception-escape): a verb
  if (count_ == 0) throw std::logic_error("[weight_average] there is no average before the first update");
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    auto* a = static_cast<std::byte*>(weights_[i].value.mutable_raw());
    auto* b = static_cast<std::byte*>(average_[i].value.mutable_raw());
    std::swap_ranges(a, a + weights_[i].value.bytes(), b);
  }
  swapped_ = !swapped_;
}

std::map<std::string, Tensor> WeightAverage::state(const std::string& prefix) const {
  expect_not_swapped("state");
  return count_ == 0 ? std::map<std::string, Tensor>() : to_saved(average_, prefix);
}

void WeightAverage::load_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix,
                               std::int64_t count) {
  expect_not_swapped("load_state");
  if (count < 0) {
    throw std::invalid_argument("[weight_average] expected a count of updates, got " + std::to_string(count));
  }
  from_saved("weight_average", count == 0 ? std::vector<NamedTensor>() : average_, tensors, prefix);
  count_ = count;
}

void WeightAverage::expect_not_swapped(const char* what) const {
  if (!swapped_) return;
  throw std::logic_error("[weight_average] " + std::string(what) +
                         " while the module holds the average: swap() back first");
}

}  // namespace striate

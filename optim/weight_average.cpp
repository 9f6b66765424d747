#include "optim/weight_average.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <unordered_map>

#include "core/check.h"
#include "core/parallel.h"
#include "core/state.h"

namespace striate {

namespace {

/// Elements a chunk moves.
constexpr std::int64_t grain = 1 << 14;

/// a = a + share * (w - a) for floating tensors, computed in f64 and rounded once to their dtype; for others a = w.
void move_towards(Tensor a, const Tensor& w, double share) {
  // A copy, even where the old value is not finite.
  if (share == 1 || !is_floating(a.dtype())) {
    a.copy_from(w);
    return;
  }
  dispatch_floating("weight_average", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = a.mutable_data<T>();
    const T* from = w.data<T>();
    parallel_for(a.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto start = static_cast<double>(to[i]);
        to[i] = static_cast<T>(std::fma(share, static_cast<double>(from[i]) - start, start));
      }
    });
  });
}

}  // namespace

WeightAverage::WeightAverage(const Module& module) : weights_(named_state(module)), average_(weights_) {
  for (NamedTensor& named : average_) named.value = named.value.clone();
}

void WeightAverage::update_ema(double decay) {
  expect(decay >= 0 && decay <= 1, "weight_average", "a decay within 0 and 1", decay);
  update(count_ == 0 ? 1 : 1 - decay);
}

void WeightAverage::update_equal() { update(1 / static_cast<double>(count_ + 1)); }

void WeightAverage::update(double share) {
  expect_not_swapped("update");
  for (std::size_t i = 0; i < weights_.size(); ++i) move_towards(average_[i].value, weights_[i].value, share);
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
  std::map<std::string, Tensor> state;
  if (count_ == 0) return state;
  for (const NamedTensor& named : average_) {
    state.emplace(prefix + named.name, to_file_layout(named.value, named.file_axes));
  }
  return state;
}

void WeightAverage::load_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix,
                               std::int64_t count) {
  expect_not_swapped("load_state");
  expect(count >= 0, "weight_average", "a count of updates", count);
  FileState state;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), tensor);
  }
  const std::vector<NamedTensor> wanted = count == 0 ? std::vector<NamedTensor>() : average_;
  const std::string problems = state_problems(wanted, state, Dtypes::equal);
  if (!problems.empty()) {
    throw std::invalid_argument("[weight_average] what was saved under \"" + prefix + "\" does not fit:" + problems);
  }
  const std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  for (const NamedTensor& named : wanted) {
    Tensor(named.value).copy_from(from_file_layout(given.at(named.name), named.file_axes));
  }
  count_ = count;
}

void WeightAverage::expect_not_swapped(const char* what) const {
  if (!swapped_) return;
  throw std::logic_error("[weight_average] " + std::string(what) +
                         " while the module holds the average: swap() back first");
}

}  // namespace striate

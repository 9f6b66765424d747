#include "optim/averages.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "core/check.h"
#include "core/parallel.h"
#include "core/state.h"

namespace striate {

namespace {

/// Of its count in a checkpoint; its tensors have a dot behind it.
std::string saved_name(const std::string& name) { return "average." + name; }

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
  for (std::size_t i = 0; i < weights_.size(); ++i) move_towards(average_[i].value, weights_[i].value, share);
  ++count_;
}

void WeightAverage::exchange() {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    auto* a = static_cast<std::byte*>(weights_[i].value.mutable_raw());
    auto* b = static_cast<std::byte*>(average_[i].value.mutable_raw());
    std::swap_ranges(a, a + weights_[i].value.bytes(), b);
  }
}

void WeightAverage::with(const std::function<void()>& body) {
  if (count_ == 0) throw std::logic_error("[weight_average] there is no average before the first update");
  exchange();
  try {
    body();
  } catch (...) {
    exchange();
    throw;
  }
  exchange();
}

std::map<std::string, Tensor> WeightAverage::state(const std::string& prefix) const {
  std::map<std::string, Tensor> state;
  if (count_ == 0) return state;
  for (const NamedTensor& named : average_) {
    state.emplace(prefix + named.name, to_file_layout(named.value, named.file_axes));
  }
  return state;
}

void WeightAverage::load_state(const std::map<std::string, Tensor>& tensors, const std::string& prefix,
                               std::int64_t count) {
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
  copy_state(wanted, state);
  count_ = count;
}

Averages::Averages(const Module& model, const AveragesOptions& options) : options_(options) {
  expect(options.ema_decay >= 0 && options.ema_decay < 1, "averages", "ema_decay of 0 or more and below 1",
         options.ema_decay);
  expect(options.swa_from >= 0, "averages", "swa_from >= 0", options.swa_from);
  if (options.ema_decay > 0) kept_.push_back({ema, WeightAverage(model)});
  if (options.swa_from > 0) kept_.push_back({swa, WeightAverage(model)});
}

std::vector<std::string> Averages::names() const {
  std::vector<std::string> names;
  for (const Kept& kept : kept_) names.push_back(kept.name);
  return names;
}

void Averages::after_step() {
  for (Kept& kept : kept_) {
    if (kept.name == ema) kept.average.update_ema(options_.ema_decay);
  }
}

void Averages::after_epoch(std::int64_t epoch) {
  const std::int64_t wanted = epoch + 1 - options_.swa_from + 1;
  for (Kept& kept : kept_) {
    if (kept.name == swa && kept.average.count() < wanted) kept.average.update_equal();
  }
}

bool Averages::with(const std::string& name, const std::function<void()>& body) {
  for (Kept& kept : kept_) {
    if (kept.name != name || kept.average.count() == 0) continue;
    kept.average.with(body);
    return true;
  }
  return false;
}

void Averages::save(TrainingState& state) const {
  for (const Kept& kept : kept_) {
    state.tensors.merge(kept.average.state(saved_name(kept.name) + "."));
    state.metrics[saved_name(kept.name)] = static_cast<double>(kept.average.count());
  }
}

void Averages::load(const TrainingState& state) {
  for (Kept& kept : kept_) {
    const double count = state.metric(saved_name(kept.name));
    expect(count >= 0 && count < 0x1p53, "averages", "a count of updates", count);
    kept.average.load_state(state.tensors, saved_name(kept.name) + ".", static_cast<std::int64_t>(count));
  }
}

}  // namespace striate

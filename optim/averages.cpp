#include "optim/averages.h"

#include "core/check.h"

namespace striate {

namespace {

/// Of its tensors and of its count in a checkpoint.
std::string saved_name(const std::string& name) { return "average." + name; }
std::string saved_prefix(const std::string& name) { return saved_name(name) + "."; }

}  // namespace

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
    kept.average.swap();
    try {
      body();
    } catch (...) {
      kept.average.swap();
      throw;
    }
    kept.average.swap();
    return true;
  }
  return false;
}

void Averages::save(TrainingState& state) const {
  for (const Kept& kept : kept_) {
    state.tensors.merge(kept.average.state(saved_prefix(kept.name)));
    state.metrics[saved_name(kept.name)] = static_cast<double>(kept.average.count());
  }
}

void Averages::load(const TrainingState& state) {
  for (Kept& kept : kept_) {
    const auto count = static_cast<std::int64_t>(state.metrics.at(saved_name(kept.name)));
    kept.average.load_state(state.tensors, saved_prefix(kept.name), count);
  }
}

}  // namespace striate

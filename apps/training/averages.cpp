#include "apps/training/averages.h"

#include "core/autograd.h"
#include "core/random.h"
#include "layers/batch_norm.h"

namespace striate::cli {
namespace {

std::string prefix_of(const std::string& name) { return "average." + name + "."; }
std::string count_of(const std::string& name) { return "average." + name; }

void collect(Module& module, std::vector<BatchNorm2d*>& norms) {
  for (Module* child : module.children()) {
    collect(*child, norms);
    auto* norm = dynamic_cast<BatchNorm2d*>(child);
    if (norm != nullptr && norm->training() && norm->running_mean.defined()) norms.push_back(norm);
  }
}

}  // namespace

Averages::Averages(const TrainOptions& options, const Module& model)
    : decay_(options.ema), swa_from_(options.swa_from) {
  if (options.ema > 0) kept_.push_back({kEma, WeightAverage(model)});
  if (options.swa_from > 0) kept_.push_back({kSwa, WeightAverage(model)});
}

std::vector<std::string> Averages::names() const {
  std::vector<std::string> names;
  for (const Kept& kept : kept_) names.push_back(kept.name);
  return names;
}

void Averages::after_update() {
  for (Kept& kept : kept_) {
    if (kept.name == kEma) kept.average.update_ema(decay_);
  }
}

void Averages::after_epoch(std::int64_t epoch) {
  const std::int64_t wanted = epoch + 1 - swa_from_ + 1;
  for (Kept& kept : kept_) {
    if (kept.name == kSwa && kept.average.count() < wanted) kept.average.update_equal();
  }
}

bool Averages::with(const std::string& name, const std::function<void()>& body) {
  for (Kept& kept : kept_) {
    if (kept.name != name || kept.average.count() == 0) continue;
    kept.average.swap();
    body();
    kept.average.swap();
    return true;
  }
  return false;
}

void Averages::save(TrainingState& state) const {
  for (const Kept& kept : kept_) {
    state.tensors.merge(kept.average.state(prefix_of(kept.name)));
    state.metrics[count_of(kept.name)] = static_cast<double>(kept.average.count());
  }
}

void Averages::load(const TrainingState& state) {
  for (Kept& kept : kept_) {
    const auto count = static_cast<std::int64_t>(state.metrics.at(count_of(kept.name)));
    kept.average.load_state(state.tensors, prefix_of(kept.name), count);
  }
}

void update_batch_norm(Layer& model, const std::function<Tensor()>& next) {
  const NoGradGuard no_grad;
  const Generator before = default_generator();
  std::vector<BatchNorm2d*> norms;
  collect(model, norms);
  std::vector<std::optional<double>> momenta;
  for (BatchNorm2d* norm : norms) {
    momenta.push_back(norm->momentum());
    norm->set_momentum(std::nullopt);
    norm->num_batches_tracked.mutable_data<std::int64_t>()[0] = 0;
  }
  for (Tensor images = next(); images.defined(); images = next()) model(images);
  for (std::size_t i = 0; i < norms.size(); ++i) norms[i]->set_momentum(momenta[i]);
  default_generator() = before;
}

}  // namespace striate::cli

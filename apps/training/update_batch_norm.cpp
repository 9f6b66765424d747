#include "apps/training/update_batch_norm.h"

#include <optional>
#include <vector>

#include "core/autograd.h"
#include "core/random.h"
#include "layers/batch_norm.h"

namespace striate {
namespace {

void collect(Module& module, std::vector<BatchNorm2d*>& norms) {
  for (Module* child : module.children()) {
    collect(*child, norms);
    auto* norm = dynamic_cast<BatchNorm2d*>(child);
    if (norm != nullptr && norm->training() && norm->running_mean.defined()) norms.push_back(norm);
  }
}

}  // namespace

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

}  // namespace striate

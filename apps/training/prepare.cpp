#include "apps/training/prepare.h"

#include <algorithm>

#include "core/check.h"
#include "optim/registry.h"

namespace striate {

void prepare_for_training(Layer& model, const TrainerOptions& options) {
  model.to(options.precision.parameters);
  model.train();
  set_frozen(model, options.groups.frozen);
  if (const auto& teacher = options.objective.distillation.teacher) teacher->eval();
}

std::unique_ptr<Optimizer> optimizer_for(Layer& model, const TrainerOptions& options) {
  prepare_for_training(model, options);
  GroupOptions groups = options.groups;
  groups.lr = options.schedule.lr;
  return make_optimizer(options.optimizer, make_groups(model, groups));
}

std::int64_t images_an_epoch(const Loader& loader, const LoaderOptions& options, std::int64_t images) {
  expect(loader.batches_per_epoch() > 0, "trainer", "images for a whole batch with drop_last", images);
  return std::min(images, loader.batches_per_epoch() * options.batch_size);
}

std::int64_t images_of_update(const TrainerOptions& options, std::int64_t images_an_epoch, std::int64_t position) {
  const std::int64_t batch = std::min(options.loader.batch_size, images_an_epoch);
  return std::min(batch * options.accumulate, images_an_epoch - position * batch);
}

}  // namespace striate

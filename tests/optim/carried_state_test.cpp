// Everything beside the optimiser that a run may carry (averages, a loss scale, groups, frozen layers) goes through a
// checkpoint bit for bit.

#include <gtest/gtest.h>

#include <limits>

#include "core/random.h"
#include "core/safetensors.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/cross_entropy.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "optim/averages.h"
#include "optim/checkpoint.h"
#include "optim/groups.h"
#include "optim/sgd.h"
#include "optim/update.h"
#include "tests/support/errors.h"
#include "tests/support/files.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::random_tensor;
using testing_support::read_text;
using testing_support::TempFolder;

struct Net : Layer {
  explicit Net(std::uint64_t seed = 1) {
    for (NamedTensor& p : parameters()) p.value.copy_from(random_tensor(p.value.shape(), seed++, DType::f32));
  }
  Conv2d stem{*this, "stem", 2, 4, {.kernel_size = 3, .padding = 1}};
  BatchNorm2d stem_norm{*this, "stem_norm", 4};
  Conv2d conv{*this, "conv", 4, 4, {.kernel_size = 3}};
  BatchNorm2d norm{*this, "norm", 4};
  Linear fc{*this, "fc", 16, 3};
  Tensor forward(const Tensor& x) override { return fc(flatten(relu(norm(conv(relu(stem_norm(stem(x)))))))); }
};

const std::vector<std::string> frozen{"stem", "stem_norm"};

Sgd make_optimizer(Net& net) {
  set_frozen(net, frozen);
  return Sgd(make_groups(net, {.lr = 0.1,
                               .weight_decay = 0.01,
                               .no_bias_decay = true,
                               .frozen = frozen,
                               .head = "fc",
                               .head_lr_scale = 3,
                               .norm_lr_scale = 2}),
             {.momentum = 0.9, .nesterov = true});
}

struct Training {
  explicit Training(std::uint64_t seed) : net(seed) {}

  void step() {
    const auto seed = static_cast<std::uint64_t>(++state.step);
    net.train();
    set_frozen(net, frozen);
    optimizer.zero_grad();
    optimizer.set_lr(0.1 / static_cast<double>(state.step));
    const Tensor loss =
        cross_entropy(net(random_tensor({3, 4, 4, 2}, seed, DType::f32)), Tensor::from<std::int64_t>({3}, {0, 1, 2}));
    loss.backward(Tensor::full({}, scaler.scale()));
    if (state.step % 4 == 3) net.fc.bias.set_grad(Tensor::full({3}, std::numeric_limits<double>::infinity()));
    const bool finite = scaler.unscale(net.parameters());
    if (finite) optimizer.step();
    scaler.update(finite);
    ema.update_ema(0.9);
    if (state.step > 3) swa.update_equal();
  }

  void save(const std::filesystem::path& path) {
    state.tensors = ema.state("ema.");
    state.tensors.merge(swa.state("swa."));
    state.metrics = {{"ema", static_cast<double>(ema.count())},
                     {"swa", static_cast<double>(swa.count())},
                     {"scale", scaler.scale()},
                     {"tracker", scaler.tracker()}};
    save_checkpoint(path, state);
  }

  void load(const std::filesystem::path& path) {
    load_checkpoint(path, state);
    ema.load_state(state.tensors, "ema.", static_cast<std::int64_t>(state.metrics.at("ema")));
    swa.load_state(state.tensors, "swa.", static_cast<std::int64_t>(state.metrics.at("swa")));
    scaler.load_state(state.metrics.at("scale"), state.metrics.at("tracker"));
  }

  Net net;
  Sgd optimizer = make_optimizer(net);
  Generator generator{.seed = 5};
  TrainingState state{.model = net, .optimizer = optimizer, .generator = generator};
  WeightAverage ema{net};
  WeightAverage swa{net};
  LossScaler scaler{{.init_scale = 1024, .growth_interval = 2}};
};

TEST(CarriedState, InterruptedAtAnyStepAndResumedIsUninterrupted) {
  constexpr int steps = 8;
  const TempFolder folder;
  Training whole(1);
  for (int i = 0; i < steps; ++i) whole.step();
  whole.save(folder.path() / "whole");
  const std::string expected = read_text(folder.path() / "whole");
  for (int stop = 0; stop <= steps; ++stop) {
    SCOPED_TRACE(stop);
    Training first(1);
    for (int i = 0; i < stop; ++i) first.step();
    first.save(folder.path() / "stopped");
    Training second(50);  // other weights everywhere, to be replaced
    second.step();
    second.load(folder.path() / "stopped");
    for (int i = stop; i < steps; ++i) second.step();
    second.save(folder.path() / "resumed");
    EXPECT_TRUE(read_text(folder.path() / "resumed") == expected);
  }
}

TEST(CarriedState, FrozenLayersAreInTheModelAndNowhereElse) {
  const TempFolder folder;
  Training run(1);
  const std::vector<double> before = run.net.stem.weight.to_vector();
  for (int i = 0; i < 3; ++i) run.step();
  run.save(folder.path() / "a");
  const TensorFile file = read_safetensors(folder.path() / "a");
  EXPECT_TRUE(file.find("model.stem.weight").defined());
  EXPECT_TRUE(file.find("model.stem_norm.running_mean").defined());
  EXPECT_FALSE(file.find("optimizer.momentum.stem.weight").defined());
  EXPECT_TRUE(file.find("optimizer.momentum.conv.weight").defined());
  Training other(50);
  EXPECT_NE(other.net.stem.weight.to_vector(), before);
  other.load(folder.path() / "a");
  EXPECT_EQ(other.net.stem.weight.to_vector(), before);
  EXPECT_FALSE(other.net.stem.weight.requires_grad());
}

TEST(CarriedState, GroupsKeepTheirOptions) {
  const TempFolder folder;
  Training run(1);
  run.step();
  run.step();
  run.save(folder.path() / "a");
  Training other(1);
  other.load(folder.path() / "a");
  const std::vector<ParameterGroup>& groups = other.optimizer.groups();
  ASSERT_EQ(groups.size(), 5U);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].lr, 0.05 * groups[i].lr_scale) << i;
    EXPECT_EQ(groups[i].weight_decay, run.optimizer.groups()[i].weight_decay) << i;
    EXPECT_EQ(groups[i].lr_scale, run.optimizer.groups()[i].lr_scale) << i;
  }
}

TEST(CarriedState, ARunThatFreezesOtherLayersIsRefused) {
  const TempFolder folder;
  Training run(1);
  run.step();
  run.save(folder.path() / "a");
  Net net;
  set_frozen(net, {"conv"});
  Sgd optimizer(make_groups(net, {.lr = 0.1, .frozen = {"conv"}}), {.momentum = 0.9, .nesterov = true});
  TrainingState state{.model = net, .optimizer = optimizer};
  expect_error<FileError>([&] { load_checkpoint(folder.path() / "a", state); },
                          {"unexpected: momentum.conv.weight", "groups needs shape (1,3), got (5,3)"});
}

}  // namespace
}  // namespace striate

// What freezing the first layers of a network saves, and what it leaves alone.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/profile.h"
#include "core/random.h"
#include "core/state.h"
#include "layers/cross_entropy.h"
#include "models/vgg.h"
#include "optim/groups.h"
#include "optim/sgd.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::random_tensor;

/// (layer, part) of everything that was booked.
using Rows = std::set<std::pair<std::string, std::string>>;

bool holds(const Rows& rows, const std::string& where, const std::string& part) { return rows.contains({where, part}); }

/// Two steps of a narrow VGG11 with batch norm; features 0 and 1, 4 and 5, 8 and 9 are its first convolutions and
/// norms.
struct Training {
  explicit Training(std::vector<std::string> frozen) : frozen_(std::move(frozen)) {}

  Rows train() {
    model.train();
    set_frozen(model, frozen_);
    Sgd sgd(make_groups(model, {.lr = 0.1, .weight_decay = 0.1, .frozen = frozen_}), {.momentum = 0.9});
    Profiler profiler;
    for (std::uint64_t step = 0; step < 2; ++step) {
      sgd.zero_grad();
      const Tensor logits = model(random_tensor({4, 32, 32, 3}, step, DType::f32));
      cross_entropy(logits, Tensor::from<std::int64_t>({4}, {1, 2, 3, 4})).backward();
      sgd.step();
    }
    Rows rows;
    for (const ProfileRow& row : profiler.take_rows()) rows.emplace(row.where, row.part);
    return rows;
  }

  Vgg model{{.depth = 11, .width_multiplier = 1.0 / 16}};

 private:
  std::vector<std::string> frozen_;
};

FileState copy_of(const Module& module) {
  FileState state = state_of(module);
  for (auto& [name, tensor] : state) tensor = tensor.clone();
  return state;
}

TEST(Freeze, WithoutItAllLayersGoBackward) {
  Training run({});
  const Rows rows = run.train();
  for (const char* layer : {"features.0", "features.4", "features.8", "features.11"}) {
    EXPECT_TRUE(holds(rows, layer, "backward-weights")) << layer;
    EXPECT_EQ(holds(rows, layer, "backward-data"), std::string(layer) != "features.0") << layer;
  }
  for (const char* layer : {"features.1", "features.3", "features.5"}) EXPECT_TRUE(holds(rows, layer, "backward"));
}

TEST(Freeze, TheFirstLayersDoNoBackwardWork) {
  const std::vector<std::string> frozen{"features.0", "features.1", "features.4", "features.5"};
  Training run(frozen);
  const Rows rows = run.train();
  for (const auto& [where, part] : rows) {
    if (part == "forward") continue;
    for (const char* layer : {"features.0", "features.1", "features.2", "features.3", "features.4", "features.5",
                              "features.6", "features.7"}) {
      EXPECT_FALSE(is_below(where, layer)) << where << " " << part;
    }
  }
  EXPECT_TRUE(holds(rows, "features.0", "forward"));
  EXPECT_TRUE(holds(rows, "features.8", "backward-weights"));
  EXPECT_FALSE(holds(rows, "features.8", "backward-data")) << "nothing below wants it";
  EXPECT_TRUE(holds(rows, "features.11", "backward-data"));
  for (const NamedTensor& parameter : run.model.parameters()) {
    bool is_frozen = false;
    for (const std::string& prefix : frozen) is_frozen = is_frozen || is_below(parameter.name, prefix);
    EXPECT_EQ(parameter.value.grad().defined(), !is_frozen) << parameter.name;
  }
}

TEST(Freeze, LeavesParametersAndRunningStatisticsAsTheyAre) {
  const std::vector<std::string> frozen{"features.0", "features.1", "features.4", "features.5"};
  Training run(frozen);
  const FileState before = copy_of(run.model);
  run.train();
  const FileState after = copy_of(run.model);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::string& name = before[i].first;
    bool is_frozen = false;
    for (const std::string& prefix : frozen) is_frozen = is_frozen || is_below(name, prefix);
    EXPECT_EQ(before[i].second.to_vector() == after[i].second.to_vector(), is_frozen) << name;
  }
}

TEST(Freeze, InTheMiddleOnlyTheGradientOfTheWeightsIsLeftOut) {
  Training run({"features.4"});
  const Rows rows = run.train();
  EXPECT_TRUE(holds(rows, "features.4", "backward-data"));
  EXPECT_FALSE(holds(rows, "features.4", "backward-weights"));
  EXPECT_TRUE(holds(rows, "features.0", "backward-weights"));
}

// The same numbers as when the gradients are computed and thrown away.
TEST(Freeze, ChangesNoGradientOfTheRest) {
  const auto gradient_of_the_head = [](bool freeze) {
    manual_seed(3);
    Vgg model({.depth = 11, .width_multiplier = 1.0 / 16});
    // Either way this norm is in evaluation.
    set_frozen(model, {"features.0", "features.1"});
    if (!freeze) {
      for (NamedTensor& parameter : model.parameters()) parameter.value.set_requires_grad();
    }
    const Tensor logits = model(random_tensor({4, 32, 32, 3}, 1, DType::f32));
    cross_entropy(logits, Tensor::from<std::int64_t>({4}, {1, 2, 3, 4})).backward();
    std::vector<std::vector<double>> gradients;
    for (const NamedTensor& parameter : model.parameters()) {
      const bool first = is_below(parameter.name, "features.0") || is_below(parameter.name, "features.1");
      EXPECT_EQ(parameter.value.grad().defined(), !first || !freeze);
      if (!first) gradients.push_back(parameter.value.grad().to_vector());
    }
    return gradients;
  };
  const Generator before = default_generator();
  EXPECT_EQ(gradient_of_the_head(true), gradient_of_the_head(false));
  default_generator() = before;
}

}  // namespace
}  // namespace striate

// What every optimiser has from its base class, seen through Sgd, AdamW and one of a user's own.

#include "optim/optimizer.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <utility>

#include "core/elementwise.h"
#include "optim/adamw.h"
#include "optim/checkpoint.h"
#include "optim/groups.h"
#include "optim/registry.h"
#include "optim/sgd.h"
#include "tests/support/errors.h"
#include "tests/support/files.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::expect_error;
using testing_support::random_tensor;
using testing_support::read_text;
using testing_support::TempFolder;

struct Tiny : Module {
  explicit Tiny(DType dtype = DType::f32, std::uint64_t seed = 1) {
    add_parameter("filter", filter, random_tensor({3, 3, 2, 4}, seed, dtype), {3, 2, 0, 1});
    add_parameter("matrix", matrix, random_tensor({2, 4}, seed + 1, dtype), {1, 0});
    add_parameter("gamma", gamma, random_tensor({4}, seed + 2, dtype));
    add_parameter("scalar", scalar, random_tensor({}, seed + 3, dtype));
  }
  Tensor filter, matrix, gamma, scalar;
};

/// "Symbolic Discovery of Optimization Algorithms", Chen et al. 2023, as a user's program has it.
struct Lion : Optimizer {
  double beta1, beta2;
  Lion(std::vector<ParameterGroup> groups, const NamedOptions& options)
      : Optimizer("lion", std::move(groups), {"exp_avg"}, options),
        beta1(options.real("beta1", 0.9)),
        beta2(options.real("beta2", 0.99)) {}
  void update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& state) override {
    const auto body = [=, b1 = beta1, b2 = beta2, lr = group.lr, decay = group.weight_decay]<class T>(T& w, T g, T& m) {
      const T c = T(b1) * m + T(1 - b1) * g;
      w = w * T(1 - lr * decay) - T(lr) * T((c > 0) - (c < 0));
      m = T(b2) * m + T(1 - b2) * g;
    };
    for_each_element(body, value, gradient, state.slots[0]);
  }
};

/// Under every name that the registry has after this.
const std::vector<std::string>& kinds() {
  static const std::vector<std::string> all = [] {
    register_optimizer<Lion>("lion");
    return std::vector<std::string>{"sgd:momentum=0.9,nesterov", "adamw", "lion:beta2=0.95"};
  }();
  return all;
}

/// A run whose gradients depend on the weights; "scalar" has one every other step.
struct Training {
  explicit Training(const std::string& kind, DType dtype = DType::f32, std::uint64_t seed = 1)
      : model(dtype, seed),
        optimizer(make_optimizer(kind, make_groups(model, {.weight_decay = 0.1, .no_bias_decay = true}))) {}
  void step() {
    const auto seed = static_cast<std::uint64_t>(++state.step);
    optimizer->set_lr(0.1 / static_cast<double>(seed));
    optimizer->zero_grad();
    for (NamedTensor& named : model.parameters()) {
      if (named.name == "scalar" && seed % 2 == 1) continue;
      named.value.set_grad(random_tensor(named.value.shape(), seed, named.value.dtype()) + named.value.detach());
    }
    optimizer->step();
  }
  std::string bytes(const TempFolder& folder) {
    save_checkpoint(folder.path() / "bytes", state);
    return read_text(folder.path() / "bytes");
  }

  Tiny model;
  std::unique_ptr<Optimizer> optimizer;
  Generator generator{.seed = 5};
  TrainingState state{.model = model, .optimizer = *optimizer, .generator = generator};
};

TEST(Registry, HasTheBuiltInOptimisersAndAUsers) {
  kinds();
  EXPECT_EQ(optimizer_names(), (std::vector<std::string>{"sgd", "adamw", "lion"}));
  EXPECT_THROW(register_optimizer<Lion>("sgd"), std::invalid_argument);
  EXPECT_EQ(make_optimizer("sgd", {})->description(), "sgd:momentum=0,dampening=0,nesterov=false");
  EXPECT_EQ(make_optimizer("adamw:eps=1e-6", {})->description(), "adamw:beta1=0.9,beta2=0.999,eps=1e-06");
  EXPECT_EQ(make_optimizer("lion", {})->description(), "lion");
  expect_error<std::invalid_argument>([] { make_optimizer("adam", {}); }, {"unknown optimizer 'adam'", "'adamw'"});
  expect_error<std::invalid_argument>([] { make_optimizer("sgd:momentun=0.9", {}); },
                                      {"sgd has no option momentun", "did you mean momentum"});
  expect_error<std::invalid_argument>([] { make_optimizer("adamw:beta2=2", {}); }, {"[adamw] expected beta2"});
}

TEST(Registry, ADescriptionMakesTheSameOptimiser) {
  for (const std::string& kind : kinds()) {
    const std::string description = make_optimizer(kind, {})->description();
    EXPECT_EQ(make_optimizer(description, {})->description(), description);
  }
}

TEST(Optimizer, StateIsNamedBySlotAndParameterInFileLayout) {
  const std::vector<std::vector<std::string>> slots{{"momentum"}, {"exp_avg", "exp_avg_sq"}, {"exp_avg"}};
  for (std::size_t i = 0; i < slots.size(); ++i) {
    SCOPED_TRACE(kinds()[i]);
    Training run(kinds()[i]);
    EXPECT_EQ(run.optimizer->state().size(), 1U) << "the groups alone";
    run.step();
    std::vector<std::string> wanted;
    for (const char* name : {"filter", "matrix", "gamma"}) {
      for (const std::string& slot : slots[i]) wanted.push_back(slot + "." + name);
      wanted.push_back(std::string("step.") + name);
    }
    wanted.emplace_back("groups");
    std::vector<std::string> names;
    for (const auto& [name, tensor] : run.optimizer->state()) names.push_back(name);
    EXPECT_EQ(names, wanted) << "scalar had no gradient yet";
    EXPECT_EQ(run.optimizer->state()[0].second.shape(), (Shape{4, 2, 3, 3}));
    EXPECT_EQ(run.optimizer->state()[slots[i].size()].second.item(), 1);
    EXPECT_EQ(run.optimizer->state().back().second.to_vector(), (std::vector<double>{0.1, 1, 0.1, 0.1, 1, 0}));
  }
}

TEST(Optimizer, ResumedFromACheckpointIsUninterrupted) {
  constexpr int steps = 5;
  const TempFolder folder;
  for (const std::string& kind : kinds()) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      SCOPED_TRACE(kind + " " + to_string(dtype));
      Training whole(kind, dtype);
      for (int i = 0; i < steps; ++i) whole.step();
      const std::string expected = whole.bytes(folder);
      for (int stop = 0; stop <= steps; ++stop) {
        Training first(kind, dtype);
        for (int i = 0; i < stop; ++i) first.step();
        save_checkpoint(folder.path() / "stopped", first.state);
        Training second(kind, dtype, 77);
        second.step();
        load_checkpoint(folder.path() / "stopped", second.state);
        for (int i = stop; i < steps; ++i) second.step();
        EXPECT_TRUE(second.bytes(folder) == expected) << "stopped after " << stop;
      }
    }
  }
}

TEST(Optimizer, ACheckpointOfAnotherKindIsRefused) {
  const TempFolder folder;
  for (const std::string& kind : kinds()) {
    Training saved(kind);
    saved.step();
    save_checkpoint(folder.path() / "saved", saved.state);
    for (const std::string other : {"sgd", "sgd:momentum=0.8,nesterov", "adamw:beta1=0.8", "lion"}) {
      Training run(other, DType::f32, 9);
      run.step();
      const std::string before = run.bytes(folder);
      expect_error<FileError>([&] { load_checkpoint(folder.path() / "saved", run.state); },
                              {"does not fit this run", "the optimizer is " + run.optimizer->description(),
                               "got the state of " + saved.optimizer->description()});
      EXPECT_TRUE(run.bytes(folder) == before) << kind << " into " << other;
    }
  }
}

TEST(Optimizer, StateThatDoesNotFitChangesNothing) {
  Training run("adamw");
  run.step();
  const TempFolder folder;
  const std::string before = run.bytes(folder);
  FileState wrong = run.optimizer->state();
  wrong[0].second = Tensor::zeros({3, 3, 2, 4});        // exp_avg.filter
  wrong[2].second = Tensor::full({}, -1, DType::i64);   // step.filter
  wrong[3].second = Tensor::zeros({4, 2}, DType::f64);  // exp_avg.matrix
  wrong[6].first = "exp_avg.other";                     // exp_avg.gamma
  expect_error<std::invalid_argument>(
      [&] { run.optimizer->load_state(wrong); },
      {"[adamw]", "exp_avg.filter needs shape (4,2,3,3), got (3,3,2,4)", "exp_avg.matrix needs dtype f32, got f64",
       "missing: exp_avg.gamma (4)", "unexpected: exp_avg.other (4)"});
  EXPECT_TRUE(run.bytes(folder) == before);
  FileState out_of_range = run.optimizer->state();
  out_of_range[2].second = Tensor::zeros({}, DType::i64);
  out_of_range.back().second = Tensor::full({2, 3}, std::numeric_limits<double>::quiet_NaN(), DType::f64);
  expect_error<std::invalid_argument>([&] { run.optimizer->load_state(out_of_range); },
                                      {"step.filter needs a count >= 1, got 0", "groups needs numbers >= 0, got nan"});
  EXPECT_TRUE(run.bytes(folder) == before);
}

TEST(Optimizer, LoadedStateReplacesAllThatWas) {
  Training from("adamw");
  from.step();
  Training to("adamw");
  to.step();
  to.step();
  EXPECT_EQ(to.optimizer->state().size(), 13U);
  to.optimizer->load_state(from.optimizer->state());
  EXPECT_EQ(to.optimizer->state().size(), 10U) << "what is not named starts from scratch";
}

// Lion by hand: beta1 1/2, beta2 3/4, lr 1/8, decay 1/2, gradients 1, -4 and 0.
TEST(Optimizer, AUsersOwnByHand) {
  kinds();
  Tensor w = Tensor::from<double>({3}, {1, 1, 1}).set_requires_grad();
  const auto lion =
      make_optimizer("lion:beta1=0.5,beta2=0.75", {{.parameters = {{"w", w, {}}}, .lr = 0.125, .weight_decay = 0.5}});
  w.set_grad(Tensor::from<double>({3}, {1, -4, 0}));
  lion->step();
  EXPECT_EQ(w.to_vector(), (std::vector<double>{0.8125, 1.0625, 0.9375}));
  EXPECT_EQ(lion->state()[0].second.to_vector(), (std::vector<double>{0.25, -1, 0}));
}

// Their entries in a state would have the same names as others'.
TEST(Optimizer, RefusesSlotsThatShareAName) {
  struct Slots : Optimizer {
    explicit Slots(std::vector<std::string> slots) : Optimizer("slots", {}, std::move(slots)) {}
    void update(const ParameterGroup& /*group*/, Tensor /*value*/, const Tensor& /*gradient*/,
                ParameterState& /*state*/) override {}
  };
  expect_error<std::invalid_argument>([] { Slots({"step"}); }, {"[slots] expected", "got step"});
  expect_error<std::invalid_argument>([] { Slots({"m", "m"}); }, {"[slots] expected", "got m"});
}

TEST(Optimizer, RefusesParametersItCannotUpdate) {
  const auto named = [](DType dtype) { return NamedTensor{"w", Tensor::zeros({1}, dtype).set_requires_grad(), {}}; };
  const NamedTensor p = named(DType::f32);
  const auto refused = [](std::vector<NamedTensor> parameters, const std::string& what) {
    expect_error<std::invalid_argument>([&] { Sgd{parameters}; }, {"[sgd] expected", what});
    expect_error<std::invalid_argument>([&] { AdamW{parameters}; }, {"[adamw] expected", what});
  };
  refused({p, p}, "every parameter once, got w twice");
  refused({{"w", Tensor(), {}}}, "no tensor for w");
  refused({{"w", Tensor::zeros({1}), {}}}, "want gradients, got w");
  refused({named(DType::bf16)}, "f32 or f64, got bf16 for w");
  for (const ParameterGroup& group :
       {ParameterGroup{.parameters = {}, .lr = -1}, ParameterGroup{.parameters = {}, .lr_scale = -1},
        ParameterGroup{.parameters = {}, .weight_decay = -1}}) {
    EXPECT_THROW(Sgd({group}), std::invalid_argument);
  }
}

}  // namespace
}  // namespace striate

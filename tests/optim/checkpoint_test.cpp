#include "optim/checkpoint.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>

#include "core/build_info.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "optim/groups.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
#include "tests/support/errors.h"
#include "tests/support/files.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::FileSizeLimit;
using testing_support::message_of;
using testing_support::names_in;
using testing_support::random_tensor;
using testing_support::read_text;
using testing_support::TempFolder;

struct Tiny : Module {
  explicit Tiny(std::uint64_t seed = 1, std::int64_t width = 5) {
    add_parameter("filter", filter, random_tensor({3, 3, 2, width}, seed, DType::f32), {3, 2, 0, 1});
    add_parameter("bias", bias, random_tensor({width}, seed + 1, DType::f32));
    add_parameter("unused", unused, random_tensor({2}, seed + 2, DType::f32));
    add_buffer("mean", mean, Tensor::zeros({width}));
    add_buffer("count", count, Tensor::zeros({}, DType::i64));
  }
  Tensor filter, bias, unused, mean, count;
};

constexpr SgdOptions sgd_options{.momentum = 0.9, .nesterov = true};

/// A run of a tiny model whose gradients are random, shrink with the weights, and depend on everything that a
/// checkpoint must bring back.
struct Training {
  Tiny model;
  Sgd optimizer;
  Generator generator{.seed = 5};
  TrainingState state{.model = model, .optimizer = optimizer, .generator = generator};

  explicit Training(std::uint64_t seed = 1)
      : model(seed),
        optimizer(make_groups(model, {.lr = 0.1, .weight_decay = 5e-4, .no_bias_decay = true}), sgd_options) {}

  void step() {
    constexpr std::int64_t batches = 3;
    const ScheduleOptions schedule{.kind = "cosine", .lr = 0.1, .total_steps = 8, .warmup_steps = 2};
    optimizer.set_lr(learning_rate(schedule, ++state.step));
    const auto batch = static_cast<std::uint64_t>(state.epoch * 100 + state.position);
    for (NamedTensor& named : model.parameters()) {
      if (named.name == "unused") continue;
      const RandomStream noise = generator.next();
      Tensor gradient = random_tensor(named.value.shape(), batch, DType::f32);
      auto* g = gradient.mutable_data<float>();
      for (std::int64_t i = 0; i < gradient.numel(); ++i) {
        g[i] += named.value.data<float>()[i] * static_cast<float>(noise.uniform(static_cast<std::uint64_t>(i)));
      }
      named.value.set_grad(gradient);
    }
    optimizer.step();
    optimizer.zero_grad();
    for (std::int64_t i = 0; i < model.mean.numel(); ++i) {
      float& mean = model.mean.mutable_data<float>()[i];
      mean = 0.9F * mean + 0.1F * model.bias.data<float>()[i];
    }
    ++*model.count.mutable_data<std::int64_t>();
    state.metrics["loss"] += std::abs(static_cast<double>(model.filter.data<float>()[0])) / 3;
    Tensor& average = state.tensors["average.bias"];
    if (!average.defined()) average = model.bias.clone();
    for (std::int64_t i = 0; i < average.numel(); ++i) {
      average.mutable_data<float>()[i] += 0.1F * model.bias.data<float>()[i];
    }
    if (++state.position == batches) {
      state.position = 0;
      ++state.epoch;
    }
  }
};

/// The bytes of a checkpoint are a function of the whole state.
std::string fingerprint(const TempFolder& folder, const TrainingState& state) {
  save_checkpoint(folder.path() / "fingerprint", state);
  return read_text(folder.path() / "fingerprint");
}

TEST(Checkpoint, InterruptedAtAnyStepAndResumedIsUninterrupted) {
  constexpr int steps = 8;
  const TempFolder folder;
  const auto path = folder.path() / "checkpoint.safetensors";
  Training whole;
  for (int i = 0; i < steps; ++i) whole.step();
  const std::string expected = fingerprint(folder, whole.state);
  for (int stop = 0; stop <= steps; ++stop) {
    SCOPED_TRACE(stop);
    Training first;
    for (int i = 0; i < stop; ++i) first.step();
    save_checkpoint(path, first.state);
    Training second(77);  // other weights, to be replaced
    second.state.metrics["loss"] = 3;
    second.state.metrics["gone"] = 1;
    second.generator.seed = 9;
    load_checkpoint(path, second.state);
    EXPECT_EQ(second.state.step, stop);
    for (int i = stop; i < steps; ++i) second.step();
    EXPECT_EQ(fingerprint(folder, second.state), expected);
  }
}

TEST(Checkpoint, FingerprintSeesEverything) {
  const TempFolder folder;
  Training a;
  a.step();
  const std::string before = fingerprint(folder, a.state);
  EXPECT_EQ(fingerprint(folder, a.state), before);
  ++a.generator.draws;
  EXPECT_NE(fingerprint(folder, a.state), before);
  --a.generator.draws;
  a.optimizer.set_lr(0.3);
  EXPECT_NE(fingerprint(folder, a.state), before);
}

TEST(Checkpoint, RestoresEveryMember) {
  const TempFolder folder;
  const auto path = folder.path() / "checkpoint";
  Training from;
  from.step();
  const auto nan = std::bit_cast<double>(std::uint64_t{0x7ff8000000001234});
  from.state.metrics = {{"third", 1.0 / 3}, {"nan", nan}, {"zero", -0.0}, {"tiny", 5e-324}};
  from.state.text = {{"config", "lr = 0.1\nname = \"ü\""}, {"", "empty name"}};
  from.state.tensors = {{"scale", Tensor::from<double>({}, {65536})},
                        {"ids", Tensor::from<std::int64_t>({2}, {1, -2})}};
  from.state.step = std::numeric_limits<std::int64_t>::max();
  from.state.epoch = 7;
  from.state.position = 11;
  from.generator = {std::numeric_limits<std::uint64_t>::max(), 12};
  FileState optimizer = from.optimizer.state();
  optimizer.back().second = Tensor::from<double>({2, 3}, {0.125, 1, 0, 0.25, 3, 1});
  from.optimizer.load_state(optimizer);
  save_checkpoint(path, from.state);
  EXPECT_EQ(checkpoint_text(path), from.state.text);

  Training to(50);
  load_checkpoint(path, to.state);
  for (const auto& [name, value] : from.state.metrics) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(to.state.metrics.at(name)), std::bit_cast<std::uint64_t>(value)) << name;
  }
  EXPECT_EQ(to.state.metrics.size(), 4U);
  EXPECT_EQ(to.state.text, from.state.text);
  EXPECT_EQ(to.state.tensors.at("scale").item(), 65536);
  EXPECT_EQ(to.state.tensors.at("ids").to_vector(), (std::vector<double>{1, -2}));
  EXPECT_EQ(to.state.step, from.state.step);
  EXPECT_EQ(to.state.epoch, 7);
  EXPECT_EQ(to.state.position, 11);
  EXPECT_EQ(to.generator.seed, from.generator.seed);
  EXPECT_EQ(to.generator.draws, 12U);
  EXPECT_EQ(to.optimizer.groups()[0].lr, 0.125);
  EXPECT_EQ(to.optimizer.groups()[1].lr, 0.25);
  EXPECT_EQ(to.optimizer.groups()[1].lr_scale, 3);
  EXPECT_EQ(to.optimizer.groups()[1].weight_decay, 1);
  EXPECT_EQ(fingerprint(folder, to.state), fingerprint(folder, from.state));
}

TEST(Checkpoint, IsInFileLayout) {
  const TempFolder folder;
  Training run;
  run.step();
  save_checkpoint(folder.path() / "a", run.state);
  const TensorFile file = read_safetensors(folder.path() / "a");
  EXPECT_EQ(file.find("model.filter").shape(), (Shape{5, 2, 3, 3}));
  EXPECT_EQ(file.find("optimizer.momentum.filter").shape(), (Shape{5, 2, 3, 3}));
  EXPECT_EQ(file.find("model.count").dtype(), DType::i64);
  EXPECT_FALSE(file.find("optimizer.momentum.unused").defined());
  EXPECT_EQ(file.metadata.at("step"), "1");
}

TEST(Checkpoint, UsesTheProcessGeneratorByDefault) {
  const TempFolder folder;
  Tiny model;
  Sgd optimizer(model.parameters(), sgd_options);
  TrainingState state{.model = model, .optimizer = optimizer};
  const Generator before = default_generator();
  manual_seed(42);
  default_generator().next();
  save_checkpoint(folder.path() / "a", state);
  manual_seed(1);
  load_checkpoint(folder.path() / "a", state);
  EXPECT_EQ(default_generator().seed, 42U);
  EXPECT_EQ(default_generator().draws, 1U);
  default_generator() = before;
}

TEST(Checkpoint, AFullDiskKeepsTheEarlierOne) {
  const TempFolder folder;
  const auto path = folder.path() / "checkpoint.safetensors";
  Training run;
  run.step();
  save_checkpoint(path, run.state);
  const std::string before = read_text(path);
  run.step();
  std::string message;
  {
    const FileSizeLimit limit(before.size() / 2);
    message = message_of<FileError>([&] { save_checkpoint(path, run.state); });
  }
  EXPECT_NE(message.find(path.string() + ": cannot be written: File too large"), std::string::npos) << message;
  EXPECT_EQ(read_text(path), before);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"checkpoint.safetensors"});
  Training resumed;
  load_checkpoint(path, resumed.state);
  EXPECT_EQ(resumed.state.step, 1);
}

/// Saves a run, lets `damage` change the file's contents, and expects loading to fail with these parts and to
/// change nothing.
void expect_refused(const std::function<void(TensorFile&)>& damage, const std::vector<std::string>& parts) {
  const TempFolder folder;
  const auto path = folder.path() / "checkpoint";
  Training saved;
  saved.step();
  save_checkpoint(path, saved.state);
  TensorFile file = read_safetensors(path);
  damage(file);
  write_safetensors(path, file);
  Training run(20);
  run.step();
  const std::string before = fingerprint(folder, run.state);
  expect_error<FileError>([&] { load_checkpoint(path, run.state); }, parts);
  expect_error<FileError>([&] { load_checkpoint(path, run.state); }, {path.string()});
  EXPECT_EQ(fingerprint(folder, run.state), before);
}

void replace(TensorFile& file, const std::string& name, const Tensor& tensor) {
  for (auto& named : file.tensors) {
    if (named.first == name) named.second = tensor;
  }
}

void rename(TensorFile& file, const std::string& name, const std::string& to) {
  for (auto& named : file.tensors) {
    if (named.first == name) named.first = to;
  }
}

TEST(Checkpoint, RefusesWhatDoesNotFitAndChangesNothing) {
  expect_refused([](TensorFile& file) { file.metadata.clear(); }, {"not a checkpoint", "save_checkpoint wrote"});
  expect_refused([](TensorFile& file) { file.metadata["format"] = "pt"; }, {"not a checkpoint"});
  expect_refused(
      [](TensorFile& file) { file.metadata["format"] = "striate-checkpoint-1"; },
      {"expected the format striate-checkpoint-2", "got striate-checkpoint-1", "begin a new run from its weights"});
  expect_refused([](TensorFile& file) { file.metadata.erase("optimizer"); },
                 {"the optimizer is sgd:momentum=0.9", "got the state of none"});
  expect_refused([](TensorFile& file) { file.metadata.erase("step"); }, {"does not fit this run", "missing: step"});
  expect_refused([](TensorFile& file) { file.metadata["epoch"] = "-1"; }, {"epoch needs a count, got \"-1\""});
  expect_refused([](TensorFile& file) { file.metadata["position"] = "1x"; }, {"position needs a count"});
  expect_refused([](TensorFile& file) { file.metadata["generator.seed"] = "18446744073709551616"; },
                 {"generator.seed needs a count"});
  expect_refused([](TensorFile& file) { file.metadata["generator.draws"] = ""; }, {"generator.draws needs a count"});
  expect_refused([](TensorFile& file) { rename(file, "model.bias", "model.other"); },
                 {"in the model:", "missing: bias (5)", "unexpected: other (5)"});
  expect_refused([](TensorFile& file) { replace(file, "model.bias", Tensor::zeros({5}, DType::f64)); },
                 {"bias needs dtype f32, got f64"});
  expect_refused([](TensorFile& file) { rename(file, "optimizer.momentum.bias", "optimizer.momentum.mean"); },
                 {"in the optimizer:", "missing: momentum.bias (5)", "unexpected: momentum.mean"});
  expect_refused(
      [](TensorFile& file) {
        replace(file, "optimizer.momentum.filter", Tensor::zeros({3, 3, 2, 5}));
      },
      {"momentum.filter needs shape (5,2,3,3), got (3,3,2,5)"});
  expect_refused(
      [](TensorFile& file) {
        replace(file, "optimizer.groups", Tensor::zeros({1, 3}, DType::f64));
      },
      {"groups needs shape (2,3), got (1,3)"});
  expect_refused(
      [](TensorFile& file) {
        replace(file, "optimizer.groups", Tensor::full({2, 3}, -1, DType::f64));
      },
      {"groups needs numbers >= 0, got -1"});
  expect_refused(
      [](TensorFile& file) {
        replace(file, "optimizer.groups", Tensor::zeros({2, 3}));
      },
      {"groups needs dtype f64, got f32"});
  expect_refused([](TensorFile& file) { rename(file, "optimizer.groups", "optimizer.other"); },
                 {"missing: groups (2,3)", "unexpected: other (2,3)"});
  expect_refused([](TensorFile& file) { replace(file, "metrics.loss", Tensor::zeros({2}, DType::f64)); },
                 {"unexpected: metrics.loss f64(2)"});
}

TEST(Checkpoint, ListsAllProblemsAtOnce) {
  expect_refused(
      [](TensorFile& file) {
        file.metadata.erase("step");
        rename(file, "model.bias", "model.other");
        rename(file, "optimizer.momentum.bias", "optimizer.momentum.mean");
      },
      {"missing: step", "missing: bias", "unexpected: other", "unexpected: momentum.mean"});
}

TEST(Checkpoint, RefusesFilesOfAnotherKind) {
  const TempFolder folder;
  Training run;
  expect_error<FileError>([&] { load_checkpoint(folder.path() / "none", run.state); }, {"none", "No such file"});
  testing_support::write_text(folder.path() / "junk", "junk, and more than eight bytes of it");
  expect_error<FileError>([&] { load_checkpoint(folder.path() / "junk", run.state); }, {"junk", "header claims"});
  write_safetensors(folder.path() / "weights", {state_of(run.model), {{"model", "tiny"}}});
  expect_error<FileError>([&] { checkpoint_text(folder.path() / "weights"); }, {"weights", "not a checkpoint"});
}

TEST(Checkpoint, SaysWhichBuildWroteIt) {
  const TempFolder folder;
  Training run;
  save_checkpoint(folder.path() / "a", run.state);
  load_checkpoint(folder.path() / "a", run.state);
  EXPECT_EQ(run.state.build, build_info());
  TensorFile file = read_safetensors(folder.path() / "a");
  file.metadata["build"] = "clang 99, AVX9";
  write_safetensors(folder.path() / "a", file);
  load_checkpoint(folder.path() / "a", run.state);
  EXPECT_EQ(run.state.build, "clang 99, AVX9");
}

TEST(Checkpoint, AFlippedBitIsNoticed) {
  const TempFolder folder;
  Training run;
  run.step();
  save_checkpoint(folder.path() / "a", run.state);
  std::string bytes = read_text(folder.path() / "a");
  bytes[bytes.size() - 9] ^= 0x10;
  testing_support::write_text(folder.path() / "a", bytes);
  const std::vector<double> before = run.model.filter.to_vector();
  expect_error<FileError>([&] { load_checkpoint(folder.path() / "a", run.state); },
                          {(folder.path() / "a").string(), "is damaged"});
  EXPECT_EQ(run.model.filter.to_vector(), before);
}

TEST(Checkpoint, ANumberThatItLacksIsNamed) {
  const Training run;
  expect_error<std::invalid_argument>([&] { static_cast<void>(run.state.metric("loss_scale")); },
                                      {"[checkpoint] expected the number loss_scale, got none"});
}

}  // namespace
}  // namespace striate

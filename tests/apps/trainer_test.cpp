// Trainer as a program of one's own uses it: no flags, no screen.

#include "apps/training/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "core/elementwise.h"
#include "core/random.h"
#include "core/reduce.h"
#include "core/safetensors.h"
#include "data/generated.h"
#include "data/splits.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "optim/registry.h"
#include "tests/support/errors.h"
#include "tests/support/small_run.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::metrics_without_time;
using testing_support::names_in;
using testing_support::read_text;
using testing_support::TempFolder;

struct Net : Layer {
  Conv2d conv{*this, "conv", 3, 8, {.kernel_size = 3, .stride = 2, .padding = 1, .bias = false}};
  BatchNorm2d norm{*this, "norm", 8};
  Dropout dropout{*this, "dropout", 0.2};
  Linear fc{*this, "fc", 8, 10};
  Tensor forward(const Tensor& x) override {
    return fc(dropout(mean(relu(norm(conv(x))), {Axis::height, Axis::width})));
  }
  [[nodiscard]] std::string head() const override { return "fc"; }
};

const Dataset& images(Split split) {
  static const GenerateOptions options{.seed = 3, .train_images = 100, .test_images = 20};
  static const Dataset train = generate_split(options, Split::train);
  static const Dataset test = generate_split(options, Split::test);
  return split == Split::train ? train : test;
}

// Seven steps an epoch, the last of 4 images.
TrainerOptions small_options() {
  TrainerOptions options;
  options.epochs = 3;
  options.loader.batch_size = 8;
  options.loader.seed = 5;
  options.accumulate = 2;
  options.schedule.lr = 0.05;
  return options;
}

// All that a run carries from step to step.
TrainerOptions everything() {
  TrainerOptions options = small_options();
  options.loader.augment = AugmentOptions::standard();
  options.loader.mixup = 0.2;
  options.objective.label_smoothing = 0.1;
  options.optimizer = "adamw:beta1=0.8";
  options.groups = {.weight_decay = 0.01, .no_bias_decay = true, .head = "fc", .head_lr_scale = 2};
  options.clip_norm = 1;
  options.averages = {.ema_decay = 0.9, .swa_from = 2};
  options.schedule.lr = 0.01;
  options.warmup_epochs = 1;
  options.precision = precision_of("fp16");
  return options;
}

using Change = std::function<void(Trainer&)>;

// A process of its own, as far as the generator and the model go.
Ending run(
    const TrainerOptions& options, const Change& before = [](Trainer&) {}) {
  manual_seed(7);
  Net net;
  Trainer trainer(net, images(Split::train), images(Split::test), options);
  before(trainer);
  return trainer.run();
}

TrainerOptions in(const std::filesystem::path& folder, TrainerOptions options, bool resume = false) {
  options.out = RunFolder(folder);
  options.resume = resume;
  return options;
}

void expect_same_files(const std::filesystem::path& a, const std::filesystem::path& b) {
  EXPECT_EQ(names_in(a), names_in(b));
  EXPECT_EQ(metrics_without_time(a), metrics_without_time(b));
  for (const char* name : {"weights.safetensors", "weights_ema.safetensors", "weights_swa.safetensors"}) {
    EXPECT_FALSE(read_text(a / name).empty()) << name;
    EXPECT_TRUE(read_text(a / name) == read_text(b / name)) << name;
  }
}

// Ten images of each hundred are held out.
TrainerOptions with_validation() {
  TrainerOptions options = small_options();
  Splits splits{.train = images(Split::train)};
  hold_out(splits, {.validation = 0.2});
  options.validation = splits.validation;
  return options;
}

TEST(Trainer, KeepsTheBestEpochByTheValidationImages) {
  const TempFolder folder;
  TrainerOptions options = in(folder.path(), with_validation());
  options.epochs = 4;
  std::vector<double> accuracies;
  std::int64_t best_epoch = 0;
  EXPECT_EQ(run(options,
                [&](Trainer& trainer) {
                  trainer.on_epoch([&](const EpochResult& epoch) {
                    accuracies.push_back(epoch.validation->accuracy);
                    best_epoch = epoch.best.epoch;
                  });
                }),
            Ending::finished);
  const auto highest = std::max_element(accuracies.begin(), accuracies.end());
  EXPECT_EQ(best_epoch, highest - accuracies.begin() + 1);
  const std::string metrics = read_text(folder.path() / "metrics.csv");
  EXPECT_TRUE(metrics.starts_with("epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,val_top5,test_loss,"));
  // The same weights as those of a run that ends with that epoch, whose schedule is told of all four.
  const TempFolder other;
  TrainerOptions shorter = in(other.path(), with_validation());
  shorter.epochs = 4;
  shorter.max_steps = 7 * best_epoch;
  run(shorter);
  EXPECT_TRUE(read_text(folder.path() / "weights_best.safetensors") == read_text(other.path() / "weights.safetensors"));
}

TEST(Trainer, EndsOutOfPatienceAndStaysSo) {
  const TempFolder folder;
  TrainerOptions options = with_validation();
  options.epochs = 50;
  options.patience = 2;
  options.schedule = {.kind = "constant", .lr = 0};
  options.max_steps = 7;
  EXPECT_EQ(run(in(folder.path(), options)), Ending::max_steps);
  options.max_steps = 0;
  std::filesystem::remove(folder.path() / "weights_best.safetensors");  // killed before it was written
  EXPECT_EQ(run(in(folder.path(), options, true)), Ending::patience);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "weights_best.safetensors"));
  // Resumed, it has nothing more to do.
  Trainer* ended = nullptr;
  EXPECT_EQ(run(in(folder.path(), options, true),
                [&](Trainer& trainer) { trainer.on_epoch([&](const EpochResult&) { ended = &trainer; }); }),
            Ending::patience);
  EXPECT_EQ(ended, nullptr);
  const std::string metrics = metrics_without_time(folder.path());
  EXPECT_LT(std::count(metrics.begin(), metrics.end(), '\n'), 50);
}

TEST(Trainer, ReportsTheValidationImagesWhereThereAreNoOthers) {
  manual_seed(7);
  Net net;
  Trainer trainer(net, images(Split::train), Dataset{}, with_validation());
  trainer.on_epoch([](const EpochResult& epoch) { EXPECT_EQ(epoch.test.loss, epoch.validation->loss); });
  EXPECT_EQ(trainer.run(), Ending::finished);
}

TEST(Trainer, StoppedAndResumedEndsWithTheSameBytes) {
  const TempFolder folder;
  const auto whole = folder.path() / "whole";
  const auto broken = folder.path() / "broken";
  EXPECT_EQ(run(in(whole, everything())), Ending::finished);

  // Stopped in the first epoch, cut at a step of the second, stopped in the evaluation of the third.
  TrainerOptions options = in(broken, everything());
  const RunFolder held = *options.out;  // as long as this test runs
  const auto again = [&] {
    TrainerOptions resumed = everything();
    resumed.out = held;
    resumed.resume = true;
    return resumed;
  };
  int asked = 0;
  options.stop = [&] { return ++asked > 4; };
  EXPECT_EQ(run(options), Ending::stopped);
  options = again();
  options.max_steps = 9;
  EXPECT_EQ(run(options,
                [](Trainer& trainer) {
                  EXPECT_EQ(trainer.progress().step, 4);
                  EXPECT_EQ(trainer.progress().batch, 8);
                }),
            Ending::max_steps);
  options = again();
  std::int64_t step = 0;
  options.stop = [&] { return step == 21; };
  EXPECT_EQ(run(options, [&](Trainer& t) { t.on_step([&](const StepResult& result) { step = result.step; }); }),
            Ending::stopped);
  EXPECT_EQ(run(again()), Ending::finished);
  expect_same_files(whole, broken);
}

TEST(Trainer, HooksSeeEveryStepAndEveryEpoch) {
  const TempFolder folder;
  TrainerOptions options = in(folder.path() / "run", small_options());
  options.averages.swa_from = 3;
  const ScheduleOptions schedule = schedule_in_steps(options, 100);
  std::vector<StepResult> steps;
  std::vector<EpochResult> epochs;
  int saved = 0;
  run(options, [&](Trainer& trainer) {
    trainer.on_step([&](const StepResult& step) { steps.push_back(step); });
    trainer.on_epoch([&](const EpochResult& epoch) {
      epochs.push_back(epoch);
      // Before it is saved.
      EXPECT_EQ(std::filesystem::exists(folder.path() / "run/checkpoint.safetensors"), epoch.epoch > 1);
    });
    trainer.on_saved([&] {
      const std::string metrics = read_text(folder.path() / "run/metrics.csv");
      EXPECT_NE(metrics.find("\n" + std::to_string(epochs.size()) + ","), std::string::npos);
      EXPECT_TRUE(std::filesystem::exists(folder.path() / "run/weights.safetensors"));
      ++saved;
    });
  });
  ASSERT_EQ(steps.size(), 21U);
  double loss_sum = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto step = static_cast<std::int64_t>(i) + 1;
    EXPECT_EQ(steps[i].step, step);
    EXPECT_EQ(steps[i].epoch, (step - 1) / 7 + 1);
    EXPECT_EQ(steps[i].batch, std::min<std::int64_t>(2 * ((step - 1) % 7 + 1), 13));
    EXPECT_EQ(steps[i].batches, 13);
    EXPECT_EQ(steps[i].learning_rate, learning_rate(schedule, step));
    loss_sum = (step % 7 == 1 ? 0 : loss_sum) + steps[i].loss * (step % 7 == 0 ? 4 : 16);
    EXPECT_NEAR(steps[i].metrics.loss_sum, loss_sum, 1e-9 * loss_sum);
  }
  EXPECT_EQ(saved, 3);
  ASSERT_EQ(epochs.size(), 3U);
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    EXPECT_EQ(epochs[i].epoch, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(epochs[i].epochs, 3);
    EXPECT_EQ(epochs[i].step, epochs[i].epoch * 7);
    EXPECT_EQ(epochs[i].metrics.images, 100);
    EXPECT_GT(epochs[i].test.loss, 0);
    EXPECT_EQ(epochs[i].averages.size(), epochs[i].epoch == 3 ? 1U : 0U);
    EXPECT_EQ(epochs[i].loss_scale, "");
  }
}

TEST(Trainer, WithoutAFolderNothingIsWrittenAndTheModelIsTheSame) {
  const auto trained = [](const TrainerOptions& options) {
    manual_seed(7);
    Net net;
    Trainer trainer(net, images(Split::train), images(Split::test), options);
    EXPECT_EQ(trainer.run(), Ending::finished);
    return net.conv.weight.to_vector();
  };
  const TempFolder folder;
  EXPECT_EQ(trained(small_options()), trained(in(folder.path() / "run", small_options())));
}

TEST(Trainer, TakesAnOptimizerOfOnesOwn) {
  struct SignSgd : Optimizer {
    explicit SignSgd(std::vector<ParameterGroup> groups) : Optimizer("sign_sgd", std::move(groups), {}) {}
    void update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& /*state*/) override {
      for_each_element([lr = group.lr]<class T>(T& w, T g) { w -= T(lr) * T((g > 0) - (g < 0)); }, value, gradient);
    }
  };
  const TempFolder folder;
  const auto run_in = [&](const char* name, std::int64_t max_steps, bool resume) {
    manual_seed(7);
    Net net;
    TrainerOptions options = in(folder.path() / name, small_options(), resume);
    options.max_steps = max_steps;
    auto optimizer = std::make_unique<SignSgd>(make_groups(net));
    Trainer(net, std::move(optimizer), images(Split::train), images(Split::test), options).run();
    return read_text(folder.path() / name / "weights.safetensors");
  };
  const std::string whole = run_in("whole", 0, false);
  run_in("broken", 5, false);
  EXPECT_TRUE(run_in("broken", 0, true) == whole);
  // It knows nothing of what another kind has saved.
  TrainerOptions other = in(folder.path() / "broken", small_options(), true);
  expect_error<FileError>([&] { run(other); }, {"checkpoint.safetensors", "sign_sgd"});
}

TEST(Trainer, FreezesAndDistils) {
  manual_seed(9);
  auto teacher = std::make_shared<Net>();
  const auto trained = [&](const TrainerOptions& options) {
    manual_seed(7);
    auto net = std::make_unique<Net>();
    Trainer(*net, images(Split::train), images(Split::test), options).run();
    return net;
  };
  manual_seed(7);
  const Net fresh;
  TrainerOptions options = small_options();
  options.epochs = 1;
  options.groups.frozen = {"conv", "norm"};
  const auto frozen = trained(options);
  EXPECT_EQ(frozen->conv.weight.to_vector(), fresh.conv.weight.to_vector());
  EXPECT_EQ(frozen->norm.running_mean.to_vector(), fresh.norm.running_mean.to_vector());
  EXPECT_NE(frozen->fc.weight.to_vector(), fresh.fc.weight.to_vector());
  options.objective.distillation = {.teacher = teacher, .temperature = 4, .weight = 0.5};
  EXPECT_NE(trained(options)->fc.weight.to_vector(), frozen->fc.weight.to_vector());
  EXPECT_FALSE(teacher->training());
}

TEST(Trainer, RefusesWhatTheRunWasNotBegunWith) {
  const TempFolder folder;
  TrainerOptions options = in(folder.path() / "run", small_options());
  options.max_steps = 2;
  run(options);
  expect_error<FileError>([&] { run(options); }, {"already holds a run"});
  options.resume = true;
  TrainerOptions inverted = options;
  inverted.loader.transforms = {make_transform("random_invert:p=0.1")};
  expect_error<FileError>([&] { run(inverted); }, {"transform: random_invert:p=0.1"});
  TrainerOptions longer = options;
  longer.epochs = 4;
  expect_error<FileError>([&] { run(longer); }, {"the run began with other options: epochs: 3, here epochs: 4"});
  const Dataset others = generate_split({.seed = 4, .train_images = 100, .test_images = 20}, Split::train);
  Net net;
  expect_error<FileError>([&] { Trainer(net, others, images(Split::test), options); },
                          {"the run began with other images"});
  options.objective.distillation.teacher = std::make_shared<Net>();
  expect_error<FileError>([&] { run(options); }, {"the run began with another teacher", "none"});
}

TEST(Trainer, NamesTheOtherBuildThatWroteACheckpoint) {
  const TempFolder folder;
  TrainerOptions options = in(folder.path() / "run", small_options());
  options.max_steps = 2;
  run(options);
  options.resume = true;
  run(options, [](Trainer& trainer) { EXPECT_TRUE(trainer.warnings().empty()); });
  TensorFile checkpoint = read_safetensors(options.out->checkpoint());
  checkpoint.metadata["build"] = "gcc 1.2, \x1b[31m";
  write_safetensors(options.out->checkpoint(), checkpoint);
  run(options, [](Trainer& trainer) {
    ASSERT_EQ(trainer.warnings().size(), 1U);
    EXPECT_NE(trainer.warnings()[0].find("another build (gcc 1.2, \\x1b[31m, this one is "), std::string::npos)
        << trainer.warnings()[0];
  });
  checkpoint.metadata["text.data"] = "100 images, 10 classes, 0123456789abcdef";
  write_safetensors(options.out->checkpoint(), checkpoint);
  expect_error<FileError>([&] { run(options); }, {"is of an earlier version of striate"});
}

TEST(Trainer, ReportsDivergence) {
  struct Wild : Net {
    Tensor forward(const Tensor& x) override { return Net::forward(x) * 1e300; }
  };
  const TempFolder folder;
  manual_seed(7);
  Wild net;
  Trainer trainer(net, images(Split::train), images(Split::test), in(folder.path() / "run", small_options()));
  expect_error<DivergedError>([&] { trainer.run(); },
                              {"at step 1 (epoch 1)", "learning rate", "No checkpoint had been written yet"});
}

TEST(Trainer, ChecksItsOptions) {
  const auto refused = [](const std::string& part, const std::function<void(TrainerOptions&)>& change) {
    TrainerOptions options = small_options();
    change(options);
    expect_error<std::invalid_argument>([&] { run(options); }, {part});
  };
  refused("epochs", [](TrainerOptions& o) { o.epochs = 0; });
  refused("accumulate", [](TrainerOptions& o) { o.accumulate = 0; });
  refused("accumulate", [](TrainerOptions& o) { o.accumulate = std::int64_t{1} << 62; });
  refused("warmup_epochs", [](TrainerOptions& o) { o.warmup_epochs = 1e300; });
  refused("whether to stop", [](TrainerOptions& o) { o.stop = nullptr; });
  refused("drop_last", [](TrainerOptions& o) {
    o.loader.batch_size = 101;
    o.loader.drop_last = true;
  });
  refused("adamv", [](TrainerOptions& o) { o.optimizer = "adamv"; });
  refused("features", [](TrainerOptions& o) { o.groups.frozen = {"features"}; });
  refused("step_size", [](TrainerOptions& o) {
    o.schedule.kind = "step";
    o.schedule.step_size = 0;
  });
}

TEST(Trainer, RefusesTestImagesOfAnotherSize) {
  Net net;
  Dataset wide = images(Split::test);
  wide.images = Tensor::zeros({wide.size(), 32, 48, 3}, DType::u8);
  expect_error<std::invalid_argument>([&] { Trainer(net, images(Split::train), wide, small_options()); },
                                      {"test images of 32x32x3", "got 32x48x3"});
}

TEST(Trainer, RefusesAnOptimizerOfOtherTensors) {
  Net net;
  const Net other;
  const auto refused = [&](std::unique_ptr<Optimizer> optimizer, TrainerOptions options) {
    expect_error<std::invalid_argument>(
        [&] { Trainer(net, std::move(optimizer), images(Split::train), images(Split::test), std::move(options)); },
        {"optimizer"});
  };
  refused(nullptr, small_options());
  refused(make_optimizer("sgd", make_groups(other, {})), small_options());
  TrainerOptions doubles = small_options();
  doubles.precision = precision_of("fp64");
  refused(make_optimizer("sgd", make_groups(net, {})), doubles);
}

TEST(Trainer, DroppedImagesCountNowhere) {
  TrainerOptions options = small_options();
  options.loader.batch_size = 16;  // 6 batches of the 100 images
  options.loader.drop_last = true;
  options.accumulate = 4;
  options.schedule.lr = 0.1;
  StepResult last;
  run(options, [&](Trainer& trainer) { trainer.on_step([&](const StepResult& step) { last = step; }); });
  EXPECT_EQ(last.step, 2 * options.epochs);
  EXPECT_EQ(last.metrics.images, 96);
  options.epochs = 1;
  options.accumulate = 6;  // one update, whose loss is the epoch's mean
  run(options, [&](Trainer& trainer) { trainer.on_step([&](const StepResult& step) { last = step; }); });
  EXPECT_EQ(last.step, 1);
  EXPECT_NEAR(last.loss, last.metrics.loss(), 1e-6);
}

}  // namespace
}  // namespace striate

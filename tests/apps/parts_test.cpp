// The parts of a training run: what is minimised, batch norm's statistics for an average, what flags make of options.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/cli/train_flags.h"
#include "apps/cli/train_setup.h"
#include "apps/training/evaluate.h"
#include "apps/training/stepper.h"
#include "core/random.h"
#include "layers/batch_norm.h"
#include "layers/distillation.h"
#include "layers/dropout.h"
#include "models/registry.h"
#include "optim/sgd.h"
#include "tests/support/errors.h"

namespace striate::cli {
namespace {

constexpr double kWidth = 1.0 / 16;

struct Norms : Layer {
  BatchNorm2d first{*this, "first", 2};
  BatchNorm2d second{*this, "second", 2};
  Tensor forward(const Tensor& x) override { return second(first(x)); }
};

// (N,1,2,2), channels last.
Tensor numbers(std::int64_t batch, std::int64_t count) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count * 4; ++i) values.push_back(static_cast<double>((7 * i + 3 * batch) % 11) / 4);
  return Tensor::from({count, 1, 2, 2}, values);
}

void expect_values(const Tensor& tensor, const std::vector<double>& expected) {
  const std::vector<double> values = tensor.to_vector();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-12) << i;
}

// def batch(b, n):
//     x = (torch.arange(n * 4, dtype=torch.float64) * 7 + 3 * b) % 11 / 4
//     return x.reshape(n, 1, 2, 2).permute(0, 3, 1, 2)
// m = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)).double()
// m(batch(9, 4))
// torch.optim.swa_utils.update_bn([batch(b, n) for b, n in enumerate([4, 4, 2])], m)
// for bn in m: print(bn.running_mean, bn.running_var)
TEST(UpdateBatchNorm, IsPyTorchs) {
  Norms norms;
  norms.to(DType::f64);
  norms(numbers(9, 4));
  const std::vector<std::int64_t> sizes = {4, 4, 2};
  std::size_t taken = 0;
  update_batch_norm(norms, [&] {
    if (taken == sizes.size()) return Tensor();
    const Tensor images = numbers(static_cast<std::int64_t>(taken), sizes[taken]);
    ++taken;
    return images;
  });
  expect_values(norms.first.running_mean, {1.270833333333333, 1.1875});
  expect_values(norms.first.running_var, {0.734623015873016, 0.7455357142857143});
  expect_values(norms.second.running_mean, {0, 0});
  expect_values(norms.second.running_var, {1.206329081939373, 1.206329574665895});
  EXPECT_EQ(norms.first.num_batches_tracked.item(), 3);
  EXPECT_EQ(norms.first.momentum(), 0.1);
}

TEST(UpdateBatchNorm, LeavesFrozenOnesAndTheGeneratorAlone) {
  struct Model : Norms {
    Dropout dropout{*this, "dropout", 0.5};
    Tensor forward(const Tensor& x) override { return Norms::forward(dropout(x)); }
  } model;
  model.to(DType::f64);
  model.first.eval();
  const std::uint64_t draws = default_generator().draws;
  bool given = false;
  update_batch_norm(model, [&] { return std::exchange(given, true) ? Tensor() : numbers(1, 4); });
  EXPECT_EQ(default_generator().draws, draws);
  expect_values(model.first.running_mean, {0, 0});
  EXPECT_NE(model.second.running_mean.to_vector()[0], 0);
}

TEST(UpdateBatchNorm, PutsEverythingBackAfterAnError) {
  Norms norms;
  const std::uint64_t draws = default_generator().draws;
  EXPECT_THROW(update_batch_norm(norms,
                                 []() -> Tensor {
                                   default_generator().next();
                                   throw std::runtime_error("a file that cannot be read");
                                 }),
               std::runtime_error);
  EXPECT_EQ(norms.first.momentum(), 0.1);
  EXPECT_EQ(norms.second.momentum(), 0.1);
  EXPECT_EQ(default_generator().draws, draws);
}

TEST(Objective, AddsWhatTheTeacherSays) {
  const std::shared_ptr<Layer> teacher = make_model("vgg11", {.classes = 3, .options = {{"width_multiplier", kWidth}}});
  teacher->eval();
  const ObjectiveOptions options{.label_smoothing = 0.2,
                                 .smoothing_form = SmoothingForm::paper,
                                 .distillation = {.teacher = teacher, .temperature = 4, .weight = 0.3}};
  const Batch batch{
      .images = Tensor::full({2, 32, 32, 3}, 0.5), .labels = Tensor::from<std::int64_t>({2}, {2, 0}), .targets = {}};
  const Tensor logits = Tensor::from<float>({2, 3}, {0.1F, 0.5F, -0.3F, 1.5F, 0.2F, 0.F});
  const double plain =
      cross_entropy(logits, batch.labels, {.label_smoothing = 0.2, .form = SmoothingForm::paper}).item();
  const double more = distillation_loss(logits, (*teacher)(batch.images), 4).item();
  EXPECT_NEAR(objective(options, logits, batch).item(), plain + 0.3 * more, 1e-5 * (plain + more));
}

TEST(Objective, TakesTheMixedLabels) {
  const Tensor logits = Tensor::from<float>({1, 3}, {0.1F, 0.5F, -0.3F});
  const Batch batch{.images = {},
                    .labels = Tensor::from<std::int64_t>({1}, {2}),
                    .targets = Tensor::from<float>({1, 3}, {0.75F, 0.F, 0.25F})};
  const double expected = cross_entropy(logits, batch.targets).item();
  EXPECT_EQ(objective({}, logits, batch).item(), expected);
}

class FlagsTo : public testing::Test {
 protected:
  static TrainFlags flags(const Arguments& arguments) {
    TrainFlags parsed = parse_train_flags(arguments);
    check_together(parsed);
    return parsed;
  }
  TrainerOptions options(const Arguments& arguments) { return trainer_options(flags(arguments), *model_, {}, notes_); }

  std::unique_ptr<Layer> model_ = make_model("vgg11", {.options = {{"width_multiplier", kWidth}}});
  std::vector<std::string> notes_;
};

TEST_F(FlagsTo, GroupsWithTheirRatesAndDecays) {
  const TrainerOptions made = options({"--head-lr", "0.4", "--norm-lr-scale", "3", "--no-bias-decay"});
  Sgd sgd(make_groups(*model_, made.groups));
  sgd.set_lr(0.05);
  for (const ParameterGroup& group : sgd.groups()) {
    for (const NamedTensor& parameter : group.parameters) {
      const bool head = parameter.name.starts_with("classifier.");
      const bool vector = parameter.value.rank() < 2;
      EXPECT_DOUBLE_EQ(group.lr, 0.05 * (head ? 4 : vector ? 3 : 1)) << parameter.name;
      EXPECT_EQ(group.weight_decay, vector ? 0 : 5e-4) << parameter.name;
    }
  }
}

TEST_F(FlagsTo, AnOptimizerWithItsOptions) {
  const auto made = [&](const Arguments& arguments) { return options(arguments).optimizer; };
  EXPECT_EQ(made({}), "sgd:momentum=0.9,nesterov=true");
  EXPECT_EQ(made({"--momentum", "0"}), "sgd:momentum=0,nesterov=false");
  EXPECT_EQ(made({"--optimizer", "sgd:momentum=0.5", "--no-nesterov"}), "sgd:momentum=0.5,nesterov=false");
  EXPECT_EQ(made({"--optimizer", "adamw"}), "adamw");
  EXPECT_EQ(made({"--optimizer", "adamw:eps=1e-6", "--beta1", "0.8"}), "adamw:eps=1e-6,beta1=0.8");
}

// What PyTorch's AdamW starts from is not what SGD starts from, and neither has the other's flags.
TEST_F(FlagsTo, DefaultsOfTheOptimizer) {
  EXPECT_EQ(options({}).schedule.lr, 0.1);
  EXPECT_EQ(options({}).groups.weight_decay, 5e-4);
  const TrainerOptions adamw = options({"--optimizer", "adamw"});
  EXPECT_EQ(adamw.schedule.lr, 1e-3);
  EXPECT_EQ(adamw.groups.weight_decay, 1e-2);
  EXPECT_EQ(options({"--optimizer", "adamw", "--lr", "0.1"}).schedule.lr, 0.1);
  EXPECT_EQ(value_of(values_of(flags({"--optimizer", "adamw"})), "momentum"), "");
  EXPECT_EQ(value_of(values_of(flags({})), "beta1"), "");
  using testing_support::expect_error;
  expect_error<UsageError>(
      [&] {
        flags({"--optimizer", "adamw", "--momentum", "0.9"});
      },
      {"--momentum belongs to --optimizer sgd, got --optimizer adamw"});
  expect_error<UsageError>([&] { flags({"--beta1", "0.9"}); }, {"--beta1 belongs to --optimizer adamw"});
  expect_error<UsageError>([&] { flags({"--optimizer", "adamw:beta3=1"}); }, {"--optimizer: ", "beta3"});
  expect_error<UsageError>(
      [&] {
        flags({"--optimizer", "sgd:momentum=0.5", "--momentum", "0.6"});
      },
      {"--momentum and --optimizer sgd:momentum=0.5 both set momentum"});
}

// A value that the flag's check takes and that asks for something.
std::string value_for(const TrainFlag& row) {
  for (const char* value : {"true", "0.5", "2", "60,90", "dynamic", "reflect", "alternating", "paper"}) {
    try {
      parse_train_flags({"--" + row.name + "=" + value});
      if (value != row.off) return value;
    } catch (const UsageError&) {
      continue;
    }
  }
  ADD_FAILURE() << "no value fits --" << row.name;
  return "";
}

// What the needed flag may be: what row needs, and else something that it does not.
std::string setting(const Need& need, bool met) {
  if (need.values.empty()) return met ? value_for(*find_train_flag(need.flag)) : need.flag == "teacher" ? "" : "0";
  if (met) return need.values[0];
  const std::vector<std::string> others = {"none", "fp32", "constant", "sgd", "adamw"};
  for (const std::string& value : others) {
    try {
      parse_train_flags({"--" + need.flag + "=" + value});
      if (std::find(need.values.begin(), need.values.end(), value) == need.values.end()) return value;
    } catch (const UsageError&) {
      continue;
    }
  }
  ADD_FAILURE() << "nothing else fits --" << need.flag;
  return "";
}

TEST_F(FlagsTo, NothingBesideTheOthersAreRefused) {
  int needs = 0;
  for (const TrainFlag& row : train_flag_table()) {
    if (row.needs.empty()) continue;
    const std::string given = "--" + row.name + "=" + value_for(row);
    Arguments met = {given};
    for (const Need& need : row.needs) met.push_back("--" + need.flag + "=" + setting(need, true));
    EXPECT_NO_THROW(flags(met)) << given;
    for (const Need& need : row.needs) {
      ++needs;
      Arguments without;
      if (const std::string other = setting(need, false); !other.empty()) without = {"--" + need.flag + "=" + other};
      Arguments unmet = without;
      unmet.push_back(given);
      SCOPED_TRACE(given + " " + unmet[0]);
      testing_support::expect_error<UsageError>([&] { flags(unmet); }, {"--" + row.name + " ", "--" + need.flag});
      // What was given before, by a recipe or a run that is resumed, goes back to its default.
      TrainFlags laid_over = parse_train_flags(without, {{row.name, given.substr(given.find('=') + 1)}});
      check_together(laid_over);
      EXPECT_EQ(text_of(row, laid_over), text_of(row, {}));
      EXPECT_EQ(value_of(values_of(laid_over), row.name), "");
    }
  }
  EXPECT_GE(needs, 15);
}

// Written by earlier versions, with the default of every flag.
TEST_F(FlagsTo, ConfigsOfPublishedRunsAreTaken) {
  int found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(STRIATE_RECIPES "/../../docs/results")) {
    if (entry.path().filename() != "config.toml") continue;
    ++found;
    EXPECT_NO_THROW(flags({"--config", entry.path().string()})) << entry.path();
  }
  EXPECT_GE(found, 4);
}

TEST_F(FlagsTo, WarmupEndsBeforeTheRun) {
  testing_support::expect_error<UsageError>(
      [&] {
        flags({"--epochs", "2", "--warmup-epochs", "5"});
      },
      {"--warmup-epochs 5 must be below --epochs 2"});
  EXPECT_NO_THROW(flags({"--epochs", "2", "--warmup-epochs", "1.5"}));
}

TEST_F(FlagsTo, AModelWithItsOptions) {
  const auto made = [&](const Arguments& arguments) { return to_string(options(arguments).card.options); };
  EXPECT_EQ(made({}), "");
  EXPECT_EQ(made({"--width-multiplier", "0.25", "--dropout", "0.1", "--zero-gamma"}),
            "width_multiplier=0.25,dropout=0.1,zero_gamma=true");
  EXPECT_EQ(made({"--model", "vgg11:dropout=0.3", "--width-multiplier", "0.5"}), "dropout=0.3,width_multiplier=0.5");
  EXPECT_EQ(options({"--model", "vgg11:dropout=0.3"}).card.model, "vgg11");
  EXPECT_THROW(flags({"--model", "vgg11:dropout=0.3", "--dropout", "0.1"}), UsageError);
}

TEST_F(FlagsTo, TransformsInTheirOrder) {
  EXPECT_TRUE(options({}).loader.transforms.empty());
  EXPECT_EQ(options({"--transform", "random_invert:p=0.2;random_grayscale"}).loader.transforms.size(), 2U);
  for (const char* text : {"random_inverse", "random_invert:q=1", "random_invert;", ";"}) {
    testing_support::expect_error<UsageError>([&] { flags({"--transform", text}); }, {"--transform"});
  }
}

TEST(ListOf, SplitsAndRefuses) {
  EXPECT_EQ(list_of("a,b c", "freeze"), (std::vector<std::string>{"a", "b c"}));
  EXPECT_TRUE(list_of("", "freeze").empty());
  for (const char* text : {",", "a,", ",a", "a,,b"}) EXPECT_THROW(list_of(text, "freeze"), UsageError) << text;
}

TEST(ScheduleInSteps, CountsInUpdates) {
  const ScheduleOptions schedule = schedule_in_steps({.epochs = 7, .warmup_epochs = 1.5}, 10 * 128 - 5);
  EXPECT_EQ(schedule.warmup_steps, 15);
  EXPECT_EQ(schedule.total_steps, 70);
  EXPECT_EQ(schedule.steps_per_epoch, 10);
}

TEST(ScheduleInSteps, ScalesWithTheImagesOfAnUpdate) {
  TrainerOptions options;
  options.loader.batch_size = 96;
  options.accumulate = 4;
  options.base_batch_size = 256;
  options.schedule.lr = 0.2;
  EXPECT_DOUBLE_EQ(schedule_in_steps(options, 10000).lr, 0.2 * 384 / 256);
  EXPECT_DOUBLE_EQ(schedule_in_steps(options, 100).lr, 0.2 * 100 / 256) << "there are no more";
  options.base_batch_size = 0;
  EXPECT_DOUBLE_EQ(schedule_in_steps(options, 10000).lr, 0.2);
}

}  // namespace
}  // namespace striate::cli

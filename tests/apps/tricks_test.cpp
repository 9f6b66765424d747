// The tricks of `striate train`, from outside: what each flag does to a run.

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

using Flags = std::vector<std::string>;

class Tricks : public testing::Test {
 protected:
  // The run's folder, by a name of its own.
  std::filesystem::path train(const Flags& flags) {
    const auto out = folder_.path() / std::to_string(++runs_);
    outcome_ = striate(small_train(out, flags));
    EXPECT_EQ(outcome_.status, 0) << outcome_.err;
    return out;
  }
  static TensorFile weights(const std::filesystem::path& run, const std::string& name = "weights.safetensors") {
    return read_safetensors(run / name);
  }
  void expect_refused(const Flags& flags, const std::string& message) {
    const Outcome refused = striate(small_train(folder_.path() / "refused", flags));
    EXPECT_EQ(refused.status, 2) << refused.out;
    EXPECT_NE(refused.err.find(message), std::string::npos) << "expected: " << message << "\ngot: " << refused.err;
  }

  TempFolder folder_;
  Outcome outcome_;
  int runs_ = 0;
};

const std::vector<std::string> kClasses = {"striped disc", "striped square"};

void expect_near(const TensorFile& a, const TensorFile& b, double tolerance) {
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    const auto x = tensor.to_vector();
    const auto y = b.find(name).to_vector();
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], tolerance) << name;
  }
}

// 300 images: the last of ten updates an epoch has 12 images, in batches of 8 and 4. In f64 both sides are the same
// but for the order of sums, 1e-16 a step, which ten steps of a small net do not amplify a millionfold.
TEST_F(Tricks, AccumulatedBatchesAreOneLargeBatch) {
  // The rate stays, since a cosine's last update, which is the partial one here, would have none.
  const Flags base = {"--model", "vgg11_nobn", "--precision", "fp64",       "--epochs",
                      "1",       "--cutout",   "4",           "--schedule", "constant"};
  const auto run = [&](const Flags& flags) {
    Flags all = base;
    all.insert(all.end(), flags.begin(), flags.end());
    return train(all);
  };
  const auto large = run({"--batch-size", "32"});
  const auto small = run({"--batch-size", "8", "--accumulate", "4"});
  expect_near(weights(large), weights(small), 1e-9);
  const std::string metrics = read_text(small / "metrics.csv");
  EXPECT_NE(metrics.find("\n1,10,"), std::string::npos) << metrics;
  const auto other = weights(run({"--batch-size", "8"}));
  double most = 0;
  const auto x = weights(large).find("classifier.bias").to_vector();
  const auto y = other.find("classifier.bias").to_vector();
  for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]));
  EXPECT_GT(most, 1e-6);
}

TEST_F(Tricks, MaxStepsCountsUpdates) {
  const auto run = train({"--batch-size", "8", "--accumulate", "4", "--max-steps", "3"});
  EXPECT_EQ(weights(run).find("features.1.num_batches_tracked").item(), 12);
  EXPECT_NE(read_text(run / "metrics.csv").find("\n1,3,"), std::string::npos);
}

// The third of ten updates of warmup.
TEST_F(Tricks, WarmupReachesTheRateInALine) {
  const auto run = train({"--schedule", "constant", "--warmup-epochs", "1", "--lr", "0.1", "--max-steps", "3"});
  const std::string metrics = metrics_without_time(run);
  EXPECT_TRUE(metrics.ends_with(",0.03\n")) << metrics;
}

TEST_F(Tricks, BaseBatchSizeScalesTheRate) {
  const std::string plain = weights_of(train({"--lr", "0.1", "--max-steps", "2"}));
  EXPECT_EQ(plain, weights_of(train({"--lr", "0.05", "--base-batch-size", "16", "--max-steps", "2"})));
  EXPECT_NE(plain, weights_of(train({"--lr", "0.05", "--base-batch-size", "32", "--max-steps", "2"})));
}

TEST_F(Tricks, HalfPrecisionScalesTheLossAndSaysSo) {
  const auto run = train({"--precision", "fp16", "--epochs", "1"});
  EXPECT_NE(outcome_.out.find("loss scale "), std::string::npos) << outcome_.out;
  EXPECT_NE(weights_of(run), weights_of(train({"--precision", "fp16", "--epochs", "1", "--loss-scale", "1"})));
}

TEST_F(Tricks, ALossScaleThatAlwaysOverflowsEndsTheRun) {
  for (const auto& [epochs, steps] : {std::pair{"1", "10"}, {"3", "20"}}) {
    const Outcome outcome = striate(
        small_train(folder_.path() / epochs, {"--epochs", epochs, "--loss-scale", "1e9", "--precision", "fp16"}));
    EXPECT_EQ(outcome.status, 1);
    const std::string message = fmt::format("at step {0}: loss scale 1e+09, skipped steps: {0}", steps);
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
  }
}

// Three updates of one flag against none. Alternating flips begin like random ones, and differ in the second epoch.
TEST_F(Tricks, EveryFlagHasAnEffect) {
  const auto teacher = (train({"--epochs", "1"}) / "weights.safetensors").string();
  const auto with = [&](Flags flags, const Flags& more) {
    flags.insert(flags.end(), {"--per-class", "7", "--batch-size", "8", "--max-steps", "12"});
    flags.insert(flags.end(), more.begin(), more.end());
    return weights_of(train(flags));
  };
  const std::vector<std::pair<Flags, std::vector<Flags>>> cases = {
      {{}, {{"--per-class", "6"},     {"--accumulate", "2"}, {"--base-batch-size", "4"}, {"--head-lr", "0.3"},
            {"--norm-lr-scale", "3"}, {"--no-bias-decay"},   {"--clip-norm", "0.1"},     {"--whiten"},
            {"--pad", "reflect"},     {"--flip", "none"},    {"--flip", "alternating"},  {"--augment", "none"},
            {"--cutout", "9"},        {"--mixup", "1"},      {"--cutmix", "1"},          {"--label-smoothing", "0.1"},
            {"--teacher", teacher},   {"--init", teacher},   {"--freeze", "features.0"}, {"--precision", "bf16"},
            {"--precision", "fp16"}}},
      {{"--mixup", "1"}, {{"--cutmix", "1"}}},
      {{"--label-smoothing", "0.1"}, {{"--label-smoothing-form", "paper"}}},
      {{"--teacher", teacher}, {{"--temperature", "2"}, {"--distill-weight", "0.1"}}},
      {{"--model", "resnet20", "--width-multiplier", "0.25"}, {{"--zero-gamma"}, {"--head-lr", "0.3"}}},
  };
  for (const auto& [base, flags] : cases) {
    const std::string plain = with(base, {});
    for (const Flags& more : flags) EXPECT_TRUE(plain != with(base, more)) << more[0] << " changes nothing";
  }
}

TEST_F(Tricks, WhatIsFrozenStays) {
  const auto start = train({"--epochs", "1"});
  const auto init = (start / "weights.safetensors").string();
  const auto run = train({"--epochs", "1", "--init", init, "--freeze", "features.0,features.1", "--dropout", "0.1"});
  const TensorFile before = weights(start);
  const TensorFile after = weights(run);
  for (const auto& [name, tensor] : before.tensors) {
    const bool frozen = name.starts_with("features.0.") || name.starts_with("features.1.");
    EXPECT_EQ(tensor.to_vector() == after.find(name).to_vector(), frozen) << name;
  }
}

TEST_F(Tricks, InitLeavesOutAHeadForOtherClasses) {
  const auto start = train({"--epochs", "1"});
  const Flags flags = {"--init",    (start / "weights.safetensors").string(),
                       "--classes", kClasses[1] + "," + kClasses[0],
                       "--lr",      "0",
                       "--epochs",  "1",
                       "--freeze",  "features"};
  const auto run = train(flags);
  EXPECT_NE(outcome_.out.find("the head (classifier) is trained from scratch"), std::string::npos) << outcome_.out;
  const TensorFile before = weights(start);
  const TensorFile after = weights(run);
  for (const auto& [name, tensor] : before.tensors) {
    if (!name.starts_with("features.")) continue;
    EXPECT_EQ(tensor.to_vector(), after.find(name).to_vector()) << name;
  }
  EXPECT_EQ(after.find("classifier.weight").shape(), (Shape{2, 32}));
  EXPECT_EQ(after.metadata.at("class_names"), nlohmann::json(std::vector{kClasses[1], kClasses[0]}).dump());
  // From two classes to the same number of others the head is of no use either; to the same two it is.
  Flags again = flags;
  again[1] = (run / "weights.safetensors").string();
  train(again);
  EXPECT_EQ(outcome_.out.find("is trained from scratch"), std::string::npos) << outcome_.out;
  again[3] = kClasses[0] + "," + kClasses[1];
  train(again);
  EXPECT_NE(outcome_.out.find("is trained from scratch"), std::string::npos) << outcome_.out;
}

TEST_F(Tricks, WeightsOfSomeClassesAreMeasuredOnThose) {
  const auto run = train({"--classes", kClasses[1] + "," + kClasses[0], "--epochs", "2"});
  const auto weights = (run / "weights.safetensors").string();
  const Outcome outcome = striate({"eval", "--weights", weights, "--data", small_data().string(), "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("only the 2 of 10 classes"), std::string::npos) << outcome.err;
  const auto result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["images"], 12);
  EXPECT_EQ(result["classes"], (std::vector{kClasses[1], kClasses[0]}));
  const std::string row = metrics_without_time(run);
  EXPECT_NE(row.find(fmt::format(",{:.6f},", result["accuracy"].get<double>())), std::string::npos)
      << row << outcome.out;
}

TEST_F(Tricks, TestTimeAugmentationIsReportedBesideThePlainFigures) {
  const auto weights = (train({"--epochs", "1"}) / "weights.safetensors").string();
  const Flags flags = {"eval", "--weights", weights, "--data", small_data().string(), "--json"};
  const auto eval = [&](const Flags& more) {
    Flags all = flags;
    all.insert(all.end(), more.begin(), more.end());
    return nlohmann::json::parse(striate(all).out);
  };
  const auto plain = eval({});
  EXPECT_FALSE(plain.contains("tta"));
  std::vector<double> losses = {plain["loss"]};
  for (const char* tta : {"flip", "shift", "flip+shift"}) {
    const auto result = eval({"--tta", tta});
    EXPECT_EQ(result["loss"], plain["loss"]);
    EXPECT_EQ(result["tta"], tta);
    for (const double other : losses) EXPECT_NE(result["tta_loss"], other);
    losses.push_back(result["tta_loss"]);
  }
  const Outcome text = striate({"eval", "--weights", weights, "--data", small_data().string(), "--tta", "flip"});
  EXPECT_NE(text.out.find("; tta flip: loss "), std::string::npos) << text.out;
  EXPECT_EQ(striate({"eval", "--weights", weights, "--tta", "flop"}).status, 2);
}

// The average after two updates, from the weights after one and after two.
TEST_F(Tricks, EmaIsTheAverageOfTheWeights) {
  const auto run = [&](const char* steps) { return train({"--ema", "0.75", "--max-steps", steps}); };
  const TensorFile one = weights(run("1"));
  const auto second = run("2");
  const TensorFile two = weights(second);
  const TensorFile average = weights(second, "weights_ema.safetensors");
  for (const char* name : {"features.0.weight", "features.1.running_var", "classifier.bias"}) {
    const auto a = one.find(name).to_vector();
    const auto b = two.find(name).to_vector();
    const auto c = average.find(name).to_vector();
    for (std::size_t i = 0; i < a.size(); ++i)
      EXPECT_FLOAT_EQ(static_cast<float>(0.75 * a[i] + 0.25 * b[i]), static_cast<float>(c[i]));
  }
}

TEST_F(Tricks, SwaIsTheMeanOfTheEpochsEnds) {
  const Flags flags = {"--swa-from", "2", "--schedule", "constant"};
  const auto whole = train(flags);
  const TensorFile two = weights(train({"--swa-from", "2", "--schedule", "constant", "--max-steps", "20"}));
  const TensorFile three = weights(whole);
  const TensorFile average = weights(whole, "weights_swa.safetensors");
  for (const auto& [name, tensor] : average.tensors) {
    if (!name.ends_with("weight") && !name.ends_with("bias")) continue;
    const auto a = two.find(name).to_vector();
    const auto b = three.find(name).to_vector();
    const auto c = tensor.to_vector();
    for (std::size_t i = 0; i < a.size(); ++i)
      EXPECT_NEAR((a[i] + b[i]) / 2, c[i], 1e-6 * (std::abs(a[i]) + std::abs(b[i])));
  }
  // All ten batches of the set, and statistics that are neither run's.
  EXPECT_EQ(average.find("features.1.num_batches_tracked").item(), 10);
  EXPECT_EQ(three.find("features.1.num_batches_tracked").item(), 30);
  EXPECT_NE(average.find("features.5.running_mean").to_vector(), three.find("features.5.running_mean").to_vector());
}

TEST_F(Tricks, AveragesHaveColumnsAndWeightsThatEvalAgreesWith) {
  const auto run = train({"--ema", "0.9", "--swa-from", "3"});
  std::istringstream lines(metrics_without_time(run));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(
      line,
      "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,test_top5,"
      "ema_test_loss,ema_test_accuracy,ema_test_top5,swa_test_loss,swa_test_accuracy,swa_test_top5,learning_rate");
  std::vector<std::string> cells;
  while (std::getline(lines, line)) {
    cells.clear();
    std::istringstream columns(line);
    for (std::string cell; std::getline(columns, cell, ',');) cells.push_back(cell);
    ASSERT_EQ(cells.size(), 14U) << line;
    EXPECT_FALSE(cells[8].empty());
    EXPECT_EQ(cells[11].empty(), cells[0] != "3") << line;
  }
  for (const auto& [name, column] :
       {std::pair{"weights_ema.safetensors", 7}, std::pair{"weights_swa.safetensors", 10}}) {
    const Outcome outcome =
        striate({"eval", "--weights", (run / name).string(), "--data", small_data().string(), "--json"});
    const auto result = nlohmann::json::parse(outcome.out);
    const auto at = static_cast<std::size_t>(column);
    EXPECT_NEAR(result["loss"], std::stod(cells[at]), 1e-6) << name;
    EXPECT_NEAR(result["accuracy"], std::stod(cells[at + 1]), 1e-4) << name;
  }
}

TEST_F(Tricks, SenselessCombinationsAreRefused) {
  const auto teacher = (train({"--max-steps", "1"}) / "weights.safetensors").string();
  expect_refused({"--temperature", "4"}, "--temperature means nothing without --teacher");
  expect_refused({"--distill-weight", "4"}, "--distill-weight means nothing without --teacher");
  expect_refused({"--label-smoothing-form", "paper"}, "means nothing without --label-smoothing");
  expect_refused({"--augment", "none", "--pad", "reflect"},
                 "--pad belongs to --augment standard or trivial or rand, got --augment none");
  expect_refused({"--augment", "none", "--flip", "alternating"}, "--flip belongs to --augment standard");
  expect_refused({"--flip", "altering"}, "did you mean alternating?");
  expect_refused({"--whiten", "--init", teacher}, "--whiten sets first values that --init sets too");
  expect_refused({"--zero-gamma"}, "--zero-gamma: ");
  expect_refused({"--lr", "0", "--head-lr", "1"}, "--head-lr means nothing without --lr, which is 0");
  expect_refused({"--freeze", "classifier", "--head-lr", "1"}, "--head-lr needs a model with a head");
  expect_refused({"--model", "vgg11_nobn", "--norm-lr-scale", "2"}, "--norm-lr-scale needs a model with norms");
  expect_refused({"--freeze", "features,classifier"}, "--freeze: ");
  expect_refused({"--freeze", "feature"}, "the nearest is \"features\"");
  expect_refused({"--swa-from", "4"}, "--swa-from 4 is after the last of 3 --epochs");
  expect_refused({"--classes", "striped disk,striped square"}, "striped disc");
  expect_refused({"--classes", kClasses[0]}, "--classes must be two names or more");
  expect_refused({"--classes", kClasses[0] + "," + kClasses[1], "--teacher", teacher}, "--teacher ");
  expect_refused({"--ema", "1"}, "--ema must be 0 or more and below 1");
  for (const char* scale : {"0", "-1", "nan", "1e39", "dynamc", ""})
    expect_refused({"--loss-scale", scale}, "--loss-scale must be");
  for (const char* flag : {"--accumulate", "--base-batch-size", "--swa-from", "--per-class"}) {
    for (const char* number : {"-1", "010", "1.5", "x"}) expect_refused({flag, number}, flag);
  }
}

TEST_F(Tricks, ATeacherOfNoNamedModelIsRefused) {
  TensorFile file = read_safetensors(train({"--max-steps", "1"}) / "weights.safetensors");
  file.metadata.clear();
  const auto bare = folder_.path() / "bare.safetensors";
  write_safetensors(bare, file);
  const Outcome refused = striate(small_train(folder_.path() / "refused", {"--teacher", bare.string()}));
  EXPECT_EQ(refused.status, 1) << refused.out;
  EXPECT_NE(refused.err.find(bare.string() + ": expected metadata that name the model"), std::string::npos)
      << refused.err;
}

TEST_F(Tricks, WeightsForOtherImagesAreTold) {
  TensorFile file = read_safetensors(train({"--max-steps", "1"}) / "weights.safetensors");
  const auto teacher = folder_.path() / "teacher.safetensors";
  file.metadata["class_names"] = "[]";
  for (auto& [name, tensor] : file.tensors) name.insert(0, "module.");
  write_safetensors(teacher, file);
  const Flags flags = {"--max-steps", "1", "--teacher", teacher.string()};
  train(flags);
  EXPECT_NE(outcome_.out.find("\"module.\" was taken off"), std::string::npos) << outcome_.out;
  EXPECT_EQ(outcome_.out.find("is for images of"), std::string::npos) << outcome_.out;
  file.metadata["mean"] = "[0.5,0.5,0.5]";
  write_safetensors(teacher, file);
  train(flags);
  EXPECT_NE(outcome_.out.find("is for images of 32x32x3, mean 0.5,0.5,0.5"), std::string::npos) << outcome_.out;
  train({"--max-steps", "1", "--init", teacher.string()});
  EXPECT_NE(outcome_.out.find("is for images of mean 0.5,0.5,0.5"), std::string::npos) << outcome_.out;
}

TEST_F(Tricks, AnotherTeacherIsNoticedOnResume) {
  const auto teacher = train({"--max-steps", "1"}) / "weights.safetensors";
  const auto copy = folder_.path() / "teacher.safetensors";
  std::filesystem::copy(teacher, copy);
  const auto run = train({"--teacher", copy.string(), "--max-steps", "2"});
  std::filesystem::copy(train({"--max-steps", "2"}) / "weights.safetensors", copy,
                        std::filesystem::copy_options::overwrite_existing);
  const Flags resume = {"train", "--resume", "--out", run.string(), "--max-steps", "4"};
  const Outcome outcome = striate(resume);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("the run began with another teacher"), std::string::npos) << outcome.err;
  Flags moved = resume;
  moved.insert(moved.end(), {"--teacher", teacher.string()});
  EXPECT_EQ(striate(moved).status, 0);
}

TEST_F(Tricks, NoTeacherComesOnResume) {
  const auto teacher = (train({"--max-steps", "1"}) / "weights.safetensors").string();
  const auto run = train({"--max-steps", "2"}).string();
  const Outcome outcome = striate({"train", "--resume", "--out", run, "--max-steps", "4", "--teacher", teacher});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find("--teacher was not given and is now "), std::string::npos) << outcome.err;
}

TEST_F(Tricks, HelpIsInGroups) {
  const std::string help = striate({"train", "--help"}).out;
  for (const char* group :
       {"\nModel:", "\nOptimiser:", "\nLearning rate:", "\nData:", "\nLoss:", "\nTransfer learning:", "\nRun:"}) {
    EXPECT_NE(help.find(group), std::string::npos) << group;
  }
}

}  // namespace
}  // namespace striate

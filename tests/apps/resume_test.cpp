// A run that was stopped, in any way and anywhere, ends as if it never had been.

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/safetensors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;
using std::chrono::milliseconds;

// All that a run carries from step to step, and what draws random numbers.
std::vector<std::string> everything(const std::filesystem::path& teacher) {
  return {"--precision",
          "fp16",
          "--loss-scale",
          "dynamic",
          "--accumulate",
          "2",
          "--batch-size",
          "16",
          "--ema",
          "0.9",
          "--swa-from",
          "2",
          "--mixup",
          "0.2",
          "--cutmix",
          "1",
          "--flip",
          "alternating",
          "--dropout",
          "0.2",
          "--warmup-epochs",
          "1",
          "--label-smoothing",
          "0.1",
          "--checkpoint-minutes",
          "0",
          "--freeze",
          "features.4",
          "--teacher",
          (teacher / "weights.safetensors").string()};
}

std::vector<std::string> with(std::vector<std::string> flags, const std::vector<std::string>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

void expect_same_run(const std::filesystem::path& a, const std::filesystem::path& b) {
  EXPECT_EQ(metrics_without_time(a), metrics_without_time(b));
  EXPECT_FALSE(weights_of(a).empty());
  for (const std::string& name : names_in(a)) {
    if (!name.starts_with("weights")) continue;
    EXPECT_TRUE(read_text(a / name) == read_text(b / name)) << name;
  }
}

TEST(Resume, AfterSigkillAtRandomMoments) {
  const TempFolder folder;
  const auto whole = folder.path() / "whole";
  const auto broken = folder.path() / "broken";
  const auto teacher = folder.path() / "teacher";
  ASSERT_EQ(striate(small_train(teacher, {"--epochs", "1"})).status, 0);
  const std::vector<std::string> flags = everything(teacher);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(striate(small_train(whole, flags)).status, 0);
  const auto duration = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  RandomSequence random(random_stream(1, RandomUse::test));
  int killed = 0;
  for (int attempt = 0; attempt < 200; ++attempt) {
    // Early attempts die sooner than one run takes; later ones get longer, so that the loop ends on any
    // machine.
    const milliseconds moment((random.below(duration.count()) + 40) * (attempt + 4) / 16);
    const Outcome outcome =
        striate(small_train(broken, with(flags, {"--resume"})), {.signal_after = moment, .signal = SIGKILL});
    if (outcome.status == 0) break;
    ASSERT_EQ(outcome.status, 128 + SIGKILL) << outcome.err;
    ++killed;
  }
  EXPECT_GE(killed, 3);
  expect_same_run(whole, broken);
  EXPECT_EQ(names_in(broken), names_in(whole));
}

TEST(Resume, AfterControlC) {
  const TempFolder folder;
  const auto whole = folder.path() / "whole";
  const auto broken = folder.path() / "broken";
  const std::vector<std::string> flags = {"--epochs", "6"};
  ASSERT_EQ(striate(small_train(whole, flags)).status, 0);
  bool interrupted = false;
  for (int wait = 100; !interrupted && wait < 20000; wait *= 2) {
    std::filesystem::remove_all(broken);
    const Outcome outcome = striate(small_train(broken, flags), {.signal_after = milliseconds(wait), .signal = SIGINT});
    interrupted =
        outcome.status == 130 && outcome.out.find("train --resume --out " + broken.string()) != std::string::npos;
  }
  ASSERT_TRUE(interrupted);
  // As the message says: all other flags come from the run.
  const Outcome resumed = striate({"train", "--resume", "--out", broken.string()});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same_run(whole, broken);
}

TEST(Resume, InTheMiddleOfAnEpochWithOtherThreadsAndWorkers) {
  const TempFolder folder;
  const auto whole = folder.path() / "whole";
  const auto broken = folder.path() / "broken";
  ASSERT_EQ(striate(small_train(whole, {"--mixup", "0.2", "--dropout", "0.2"})).status, 0);
  ASSERT_EQ(striate(small_train(broken, {"--mixup", "0.2", "--dropout", "0.2", "--max-steps", "7"})).status, 0);
  for (const char* steps : {"13", "20", "21", "0"}) {
    const Outcome outcome = striate({"train", "--resume", "--out", broken.string(), "--data", small_data().string(),
                                     "--threads", "1", "--workers", "3", "--max-steps", steps});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }
  expect_same_run(whole, broken);
}

TEST(Resume, OfAFinishedRunChangesNothing) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--epochs", "1"})).status, 0);
  const std::string before = weights_of(run);
  ASSERT_EQ(striate(small_train(run, {"--epochs", "1", "--resume"})).status, 0);
  EXPECT_EQ(weights_of(run), before);
}

// `striate ablate` removes the checkpoint of a finished run: what is left must not be written over.
TEST(Resume, RefusesWeightsWithoutACheckpoint) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--epochs", "1"})).status, 0);
  std::filesystem::remove(run / "checkpoint.safetensors");
  const std::string before = weights_of(run);
  const Outcome outcome = striate(small_train(run, {"--epochs", "1", "--resume"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("no checkpoint to resume from"), std::string::npos) << outcome.err;
  EXPECT_EQ(weights_of(run), before);
}

TEST(Resume, RefusesOtherFlags) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "3"})).status, 0);
  const std::string before = read_text(run / "checkpoint.safetensors");
  for (const auto& [flag, value] : std::vector<std::pair<std::string, std::string>>{{"--lr", "0.2"},
                                                                                    {"--epochs", "4"},
                                                                                    {"--seed", "1"},
                                                                                    {"--init", "x"},
                                                                                    {"--model", "vgg16"},
                                                                                    {"--mixup", "0.1"}}) {
    const Outcome outcome = striate(small_train(run, {"--resume", flag, value}));
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find(flag + " was "), std::string::npos) << outcome.err;
  }
  const Outcome nesterov = striate(small_train(run, {"--resume", "--no-nesterov"}));
  EXPECT_EQ(nesterov.status, 2);
  EXPECT_NE(nesterov.err.find("--nesterov was true and is now false"), std::string::npos) << nesterov.err;
  EXPECT_EQ(read_text(run / "checkpoint.safetensors"), before);
  // The same value written in another way is the same flag.
  EXPECT_EQ(striate(small_train(run, {"--resume", "--lr", "1e-1", "--max-steps", "4"})).status, 0);
}

TEST(Resume, RefusesFlagsThatAreNoMore) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "3"})).status, 0);
  TensorFile file = read_safetensors(run / "checkpoint.safetensors");
  file.metadata.at("text.config") += "bygone = 5\n";
  write_safetensors(run / "checkpoint.safetensors", file);
  const Outcome outcome = striate(small_train(run, {"--resume"}));
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find("flags that this one does not have (--bygone=5)"), std::string::npos) << outcome.err;
}

TEST(Resume, RefusesWhatAnotherProgramBegan) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "3"})).status, 0);
  TensorFile file = read_safetensors(run / "checkpoint.safetensors");
  file.metadata.erase("text.config");
  write_safetensors(run / "checkpoint.safetensors", file);
  const Outcome outcome = striate(small_train(run, {"--resume"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("another program began"), std::string::npos) << outcome.err;
}

TEST(Resume, KeepsTheConfigurationThatRepeatsTheRun) {
  const TempFolder folder;
  const auto at = [&](const char* name) { return folder.path() / name; };
  ASSERT_EQ(striate(small_train(at("start"), {"--epochs", "1"})).status, 0);
  const std::string init = (at("start") / "weights.safetensors").string();
  ASSERT_EQ(striate(small_train(at("run"), {"--epochs", "1", "--init", init, "--max-steps", "3"})).status, 0);
  ASSERT_EQ(striate({"train", "--resume", "--out", at("run").string()}).status, 0);
  ASSERT_EQ(striate({"train", "--config", (at("run") / "config.toml").string(), "--out", at("again").string()}).status,
            0);
  expect_same_run(at("run"), at("again"));
  // The configuration is that of a run, not of its resuming.
  EXPECT_EQ(striate({"train", "--config", (at("run") / "config.toml").string()}).status, 1);
}

TEST(Resume, OptionsOfAnOptimiserAreRepeated) {
  const TempFolder folder;
  const auto at = [&](const char* name) { return folder.path() / name; };
  const auto options = [&](const char* name, const char* optimizer, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = small_train(at(name), {"--epochs", "1", "--optimizer", optimizer});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return striate(arguments).status;
  };
  ASSERT_EQ(options("whole", "sgd:momentum=0.5"), 0);
  ASSERT_EQ(options("run", "sgd:momentum=0.5", {"--max-steps", "3"}), 0);
  ASSERT_EQ(striate({"train", "--config", (at("run") / "config.toml").string(), "--max-steps", "0", "--out",
                     at("again").string()})
                .status,
            0);
  ASSERT_EQ(striate({"train", "--resume", "--out", at("run").string()}).status, 0);
  expect_same_run(at("whole"), at("run"));
  expect_same_run(at("whole"), at("again"));
  // A flag that belongs to the run's optimiser may be given again, with the same value.
  ASSERT_EQ(options("adamw", "adamw", {"--beta1", "0.8", "--max-steps", "3"}), 0);
  const auto resumed = [&](const char* flag, const char* value) {
    return striate({"train", "--resume", "--out", at("adamw").string(), "--max-steps", "3", flag, value});
  };
  EXPECT_EQ(resumed("--beta1", "0.8").status, 0);
  EXPECT_NE(resumed("--beta1", "0.7").err.find("--beta1 was 0.8 and is now 0.7"), std::string::npos);
  EXPECT_NE(resumed("--momentum", "0.9").err.find("--momentum belongs to --optimizer sgd"), std::string::npos);
}

TEST(Resume, RefusesOtherData) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  const auto other = (folder.path() / "other").string();
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "3"})).status, 0);
  ASSERT_EQ(striate({"generate", "--out", other, "--train", "300", "--test", "60", "--seed", "5"}).status, 0);
  const Outcome outcome = striate({"train", "--resume", "--out", run.string(), "--data", other});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("the run began with other images"), std::string::npos) << outcome.err;
}

// Also of a terminal that is closed, and where processor time runs out.
TEST(Resume, EverySignalToEndSavesAsControlCDoes) {
  const TempFolder folder;
  for (const int signal : {SIGTERM, SIGHUP, SIGXCPU}) {
    const auto run = folder.path() / std::to_string(signal);
    int status = 0;
    for (int wait = 100; status != 130 && wait < 20000; wait *= 2) {
      std::filesystem::remove_all(run);
      status =
          striate(small_train(run, {"--epochs", "9"}), {.signal_after = milliseconds(wait), .signal = signal}).status;
    }
    EXPECT_EQ(status, 130) << signal;
    EXPECT_TRUE(std::filesystem::exists(run / "checkpoint.safetensors")) << signal;
  }
}

TEST(Resume, TheDatasetThatWasFoundMayBeNamed) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "3"})).status, 0);
  EXPECT_EQ(striate({"train", "--resume", "--out", run.string(), "--dataset", "cifar10", "--max-steps", "4"}).status,
            0);
  const Outcome other = striate({"train", "--resume", "--out", run.string(), "--dataset", "cifar100"});
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.err.find("--dataset was not given and is now cifar100"), std::string::npos) << other.err;
}

TEST(Resume, RefusesACorruptCheckpoint) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--max-steps", "3"})).status, 0);
  const std::string good = read_text(run / "checkpoint.safetensors");
  write_text(run / "checkpoint.safetensors", good.substr(0, good.size() / 2));
  const Outcome outcome = striate(small_train(run, {"--resume"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("checkpoint.safetensors: "), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace striate

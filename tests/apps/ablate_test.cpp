// `striate ablate` as a user runs it, on tiny networks.

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "apps/training/run_folder.h"
#include "core/random.h"
#include "tests/support/ablation.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

const std::string kTitle = "title = \"Tiny\"\n";
const std::string kModel = "[baseline]\nmodel = \"vgg11\"\nwidth-multiplier = 0.0625\nbatch-size = 32\n";
const std::string kBaseline = kModel + "epochs = 2\n";
const std::string kTricks = kTitle + kBaseline + "[trick.smooth]\nlabel-smoothing = 0.1\n[trick.mix]\nmixup = 0.2\n";

std::vector<std::string> ablate(const fs::path& recipe, const fs::path& out,
                                const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {
      "ablate", recipe.string(), "--out", out.string(), "--data", small_data().string(), "--threads",
      "1",      "--seeds",       "2"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void expect_same_runs(const fs::path& a, const fs::path& b) {
  ASSERT_EQ(runs_in(a), runs_in(b));
  for (const std::string& run : runs_in(a)) {
    EXPECT_EQ(metrics_without_time(a / "runs" / run), metrics_without_time(b / "runs" / run)) << run;
    EXPECT_TRUE(weights_of(a / "runs" / run) == weights_of(b / "runs" / run)) << run;
    EXPECT_FALSE(weights_of(a / "runs" / run).empty()) << run;
  }
}

// An ablation of one cell: a run of one epoch.
struct OneRun {
  TempFolder folder;
  fs::path recipe = folder.write("tiny.toml", kTitle + kModel + "[cell.a]\n");
  fs::path out = folder.path() / "out";
  [[nodiscard]] Outcome run(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--seeds", "1", "--epochs", "1"});
    return striate(ablate(recipe, out, more));
  }
};

TEST(Ablate, RunsTheGridOnce) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTricks);
  const auto out = folder.path() / "out";
  const Outcome outcome = striate(ablate(recipe, out, {"--jobs", "2"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  // without-mix is +smooth.
  EXPECT_EQ(runs_in(out),
            (std::set<std::string>{"baseline/seed-0", "baseline/seed-1", "+smooth/seed-0", "+smooth/seed-1",
                                   "+mix/seed-0", "+mix/seed-1", "without-smooth/seed-0", "without-smooth/seed-1"}));
  EXPECT_TRUE(contains(outcome.out, "[8/8]")) << outcome.out;
  const std::string report = read_text(out / "report.md");
  EXPECT_TRUE(contains(report, "8 of 8 runs are finished.")) << report;
  EXPECT_TRUE(contains(report, "| without-mix | 2 |")) << report;
  EXPECT_FALSE(contains(report, "| missing") || contains(report, "## Still missing")) << report;
  EXPECT_TRUE(contains(read_text(out / "chart.svg"), "</svg>"));
  const std::string csv = read_text(out / "results.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 9) << csv;
  EXPECT_FALSE(fs::exists(out / "runs/baseline/seed-0/checkpoint.safetensors"));

  // A cell is what train makes of its flags and seed.
  const auto alone = folder.path() / "alone";
  ASSERT_EQ(striate(small_train(alone, {"--epochs", "2", "--label-smoothing", "0.1", "--seed", "1"})).status, 0);
  EXPECT_EQ(metrics_without_time(alone), metrics_without_time(out / "runs/+smooth/seed-1"));
  EXPECT_TRUE(weights_of(alone) == weights_of(out / "runs/+smooth/seed-1"));

  const auto written = fs::last_write_time(out / "runs/+mix/seed-1/weights.safetensors");
  const Outcome again = striate(ablate(recipe, out));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_FALSE(contains(again.out, "[")) << again.out;
  EXPECT_EQ(fs::last_write_time(out / "runs/+mix/seed-1/weights.safetensors"), written);
}

TEST(Ablate, GoesOnAfterSigkill) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTitle + kModel + "epochs = 6\n[cell.a]\n[cell.b]\nmixup = 0.2\n");
  const auto whole = folder.path() / "whole";
  const auto broken = folder.path() / "broken";
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(striate(ablate(recipe, whole)).status, 0);
  const auto duration = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  RandomSequence random(random_stream(2, RandomUse::test));
  int killed = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    // From a part of one run on, and longer and longer, so that the loop ends on any machine.
    const milliseconds moment((random.below(duration.count()) + 40) * (attempt + 4) / 16);
    const Outcome outcome = striate(ablate(recipe, broken), {.signal_after = moment, .signal = SIGKILL});
    if (outcome.status == 0) break;
    ASSERT_EQ(outcome.status, 128 + SIGKILL) << outcome.err;
    ++killed;
  }
  EXPECT_GE(killed, 2);
  bool in_the_middle = false;
  for (const std::string& run : runs_in(broken)) {
    in_the_middle |= contains(read_text(broken / "runs" / run / "log.txt"), "resumed at epoch");
  }
  EXPECT_TRUE(in_the_middle);
  expect_same_runs(whole, broken);
}

TEST(Ablate, StopsGentlyAtControlC) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTitle + kModel + "epochs = 8\n[cell.a]\n[cell.b]\nmixup = 0.2\n");
  const auto whole = folder.path() / "whole";
  const auto broken = folder.path() / "broken";
  const std::vector<std::string> flags = {"--seeds", "1", "--jobs", "2"};
  ASSERT_EQ(striate(ablate(recipe, whole, flags)).status, 0);
  bool interrupted = false;
  for (int wait = 200; !interrupted && wait < 20000; wait = wait * 3 / 2) {
    fs::remove_all(broken);
    const Outcome outcome =
        striate(ablate(recipe, broken, flags), {.signal_after = milliseconds(wait), .signal = SIGINT});
    interrupted = outcome.status == 130 && contains(outcome.out, "the same command resumes it") &&
                  fs::exists(broken / "runs/a/seed-0/checkpoint.safetensors");
  }
  ASSERT_TRUE(interrupted);
  EXPECT_FALSE(contains(read_text(broken / "report.md"), "Failed"));
  const Outcome rest = striate(ablate(recipe, broken, flags));
  ASSERT_EQ(rest.status, 0) << rest.err;
  expect_same_runs(whole, broken);
}

TEST(Ablate, ARunHeldElsewhereLetsTheOthersGoFirst) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTitle + kBaseline + "[cell.a]\n[cell.b]\nmixup = 0.2\n");
  const auto out = folder.path() / "out";
  const std::vector<std::string> flags = {"--seeds", "1"};
  {
    const RunFolder held(out / "runs/a/seed-0");
    Outcome outcome;
    for (int wait = 1000; !contains(outcome.out, "b seed 0: test accuracy") && wait < 40000; wait *= 2) {
      const auto start = std::chrono::steady_clock::now();
      outcome = striate(ablate(recipe, out, flags), {.signal_after = milliseconds(wait), .signal = SIGINT});
      EXPECT_EQ(outcome.status, 130) << outcome.err;
      EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(wait + 20000));
    }
    EXPECT_TRUE(contains(outcome.out, "a seed 0: another process works in its folder")) << outcome.out;
    EXPECT_TRUE(fs::exists(out / "runs/b/seed-0/outcome.txt")) << outcome.out;
  }
  EXPECT_EQ(striate(ablate(recipe, out, flags)).status, 0);
  EXPECT_TRUE(contains(read_text(out / "report.md"), "2 of 2 runs are finished."));
}

TEST(Ablate, DamagedResultsAreNamed) {
  const OneRun one;
  ASSERT_EQ(one.run().status, 0);
  const std::string csv = read_text(one.out / "results.csv");
  EXPECT_TRUE(one.run().err.empty());
  std::string cut = csv;
  cut.resize(csv.size() - 20);
  std::ofstream(one.out / "results.csv") << cut;
  const Outcome outcome = one.run();
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(contains(outcome.err, "results.csv: line 2 ")) << outcome.err;
  EXPECT_EQ(read_text(one.out / "results.csv"), csv);
}

TEST(Ablate, AFailedRunStopsNoOther) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTitle + kBaseline + "[cell.a]\nlr = 1e34\n[cell.b]\n");
  const auto out = folder.path() / "out";
  const std::vector<std::string> flags = {"--seeds", "1"};
  const Outcome outcome = striate(ablate(recipe, out, flags));
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "a seed 0: failed: ")) << outcome.out;
  const std::string report = read_text(out / "report.md");
  EXPECT_TRUE(contains(report, "## Failed\n\n- a seed 0: ")) << report;
  EXPECT_TRUE(contains(report, "the first layer whose output is not finite")) << report;
  EXPECT_TRUE(contains(read_text(out / "results.csv"), "\na,0,failed,,"));
  EXPECT_TRUE(contains(read_text(out / "results.csv"), "\nb,0,finished,0."));
  const Outcome again = striate(ablate(recipe, out, flags));
  EXPECT_EQ(again.status, 1);
  EXPECT_FALSE(contains(again.out, "a seed 0")) << again.out;
  const Outcome retried = striate(ablate(recipe, out, {"--seeds", "1", "--retry"}));
  EXPECT_EQ(retried.status, 1);
  EXPECT_TRUE(contains(retried.out, "a seed 0: failed: ")) << retried.out;
  EXPECT_FALSE(contains(retried.out, "b seed 0")) << retried.out;
}

TEST(Ablate, WhatFailedBeforeItBeganIsTriedAgain) {
  const TempFolder folder;
  const auto out = folder.path() / "out";
  const auto run = [&](const std::string& flags) {
    return striate(ablate(folder.write("tiny.toml", kTitle + kBaseline + "[cell.a]\n" + flags), out,
                          {"--seeds", "1", "--epochs", "1"}));
  };
  EXPECT_EQ(run("zero-gamma = true\n").status, 1);
  EXPECT_TRUE(contains(read_text(out / "report.md"), "- a seed 0: --zero-gamma"));
  EXPECT_EQ(run("").status, 0);
  EXPECT_TRUE(contains(read_text(out / "report.md"), "--seeds 1 --epochs 1 --out DIR"));
}

TEST(Ablate, WithoutDataNothingIsStarted) {
  const OneRun one;
  const auto data = one.folder.path() / "data";
  const auto run = [&] { return one.run({"--data", data.string()}); };
  const auto expect_refused = [&] {
    const Outcome outcome = run();
    EXPECT_EQ(outcome.status, 1);
    EXPECT_TRUE(contains(outcome.err, data.string())) << outcome.err;
    EXPECT_FALSE(fs::exists(one.out / "runs"));
  };
  expect_refused();
  fs::copy(small_data(), data);
  fs::remove(data / "test_batch.bin");
  expect_refused();
  fs::copy(small_data() / "test_batch.bin", data / "test_batch.bin");
  ASSERT_EQ(run().status, 0);
  fs::remove_all(data);
  EXPECT_EQ(run().status, 0) << "a finished ablation needs none";
}

TEST(Ablate, AFailureIsToldWhole) {
  const TempFolder folder;
  const auto weights = folder.path() / "w/weights.safetensors";
  ASSERT_EQ(striate(small_train(folder.path() / "w", {"--max-steps", "1"})).status, 0);
  const auto recipe = folder.write(
      "tiny.toml", kTitle + kBaseline + "[cell.a]\ninit = \"" + weights.string() + "\"\nwidth-multiplier = 0.125\n");
  const Outcome outcome = striate(ablate(recipe, folder.path() / "out", {"--seeds", "1"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(contains(outcome.out, "a seed 0: failed: " + weights.string() + ": ")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "; mismatched: features.1.weight")) << outcome.out;
}

TEST(Ablate, RefusesOtherImages) {
  const OneRun one;
  ASSERT_EQ(one.run().status, 0);
  const auto others = (one.folder.path() / "others").string();
  ASSERT_EQ(striate({"generate", "--out", others, "--train", "65", "--test", "16", "--seed", "5"}).status, 0);
  const Outcome outcome = one.run({"--data", others});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(contains(outcome.err, "are on other images")) << outcome.err;
}

TEST(Ablate, ADamagedRunIsNoResult) {
  const OneRun one;
  ASSERT_EQ(one.run().status, 0);
  const std::string weights = read_text(one.out / "runs/a/seed-0/weights.safetensors");
  std::ofstream(one.out / "runs/a/seed-0/metrics.csv") << "epoch,test_accuracy,seconds,images_per_second\n";
  EXPECT_EQ(one.run().status, 1);
  const std::string report = read_text(one.out / "report.md");
  EXPECT_TRUE(contains(report, "0 of 1 runs are finished.")) << report;
  EXPECT_TRUE(contains(report, "- a seed 0: metrics.csv shows 0 of 1 epochs")) << report;
  EXPECT_EQ(one.run({"--retry"}).status, 0);
  EXPECT_TRUE(contains(read_text(one.out / "report.md"), "1 of 1 runs are finished."));
  EXPECT_TRUE(read_text(one.out / "runs/a/seed-0/weights.safetensors") == weights);
  // A file of flags that cannot be read stops everything, with the way out.
  std::ofstream(one.out / "runs/a/seed-0/config.toml") << "%%%";
  const Outcome outcome = one.run();
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(contains(outcome.err, "remove " + (one.out / "runs/a/seed-0").string() + " to run it again"))
      << outcome.err;
}

TEST(Ablate, RefusesRunsOfOtherFlags) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTitle + kBaseline + "[cell.a]\nlr = 0.1\nmixup = 0.2\n");
  const auto out = folder.path() / "out";
  const std::vector<std::string> flags = {"--seeds", "1", "--epochs", "1"};
  ASSERT_EQ(striate(ablate(recipe, out, flags)).status, 0);
  const std::string csv = read_text(out / "results.csv");
  // Taking a flag away is a change, too; writing it in another way is none.
  for (const auto& [cell, message] :
       std::vector<std::pair<std::string, std::string>>{{"lr = 0.2\nmixup = 0.2\n", "--lr was 0.1 and is now 0.2"},
                                                        {"lr = 0.1\n", "--mixup was 0.2 and is now 0"}}) {
    const Outcome outcome =
        striate(ablate(folder.write("other.toml", kTitle + kBaseline + "[cell.a]\n" + cell), out, flags));
    EXPECT_EQ(outcome.status, 2);
    EXPECT_TRUE(contains(outcome.err, message)) << outcome.err;
  }
  const Outcome longer = striate(ablate(recipe, out, {"--seeds", "1"}));
  EXPECT_TRUE(contains(longer.err, "--epochs was 1 and is now 2")) << longer.err;
  EXPECT_EQ(read_text(out / "results.csv"), csv);
  const auto same = folder.write("same.toml", kTitle + kBaseline + "[cell.a]\nlr = 1e-1\nmixup = 0.20\n");
  EXPECT_EQ(striate(ablate(same, out, flags)).status, 0);
}

TEST(Ablate, OnlySomeCells) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTricks);
  const auto out = folder.path() / "out";
  const Outcome outcome = striate(ablate(recipe, out, {"--only", "baseline,without-mix", "--epochs", "1"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(runs_in(out),
            (std::set<std::string>{"baseline/seed-0", "baseline/seed-1", "+smooth/seed-0", "+smooth/seed-1"}));
  const std::string report = read_text(out / "report.md");
  EXPECT_TRUE(contains(report, "## Still missing\n\n- +mix: seeds 0, 1\n- without-smooth: seeds 0, 1\n")) << report;
  const Outcome wrong = striate(ablate(recipe, out, {"--only", "+mixx"}));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_TRUE(contains(wrong.err, "did you mean +mix?")) << wrong.err;
}

TEST(Ablate, DryRun) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTricks + "[cell.wider]\nwidth-multiplier = 0.125\n");
  const auto out = folder.path() / "out";
  const Outcome first = striate(ablate(recipe, out, {"--dry-run"}));
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_TRUE(contains(first.out, "without-smooth seed 1")) << first.out;
  EXPECT_TRUE(contains(first.out, "by bench")) << first.out;
  EXPECT_TRUE(contains(first.out, "10 of 10 runs to do")) << first.out;
  EXPECT_FALSE(fs::exists(out));
  ASSERT_EQ(striate(ablate(recipe, out, {"--only", "baseline", "--seeds", "1"})).status, 0);
  const Outcome second = striate(ablate(recipe, out, {"--dry-run"}));
  EXPECT_TRUE(contains(second.out, "9 of 10 runs to do")) << second.out;
  const auto line = [&](const std::string& run) {
    const std::size_t at = second.out.find("  " + run + " ");
    return second.out.substr(at, second.out.find('\n', at) - at);
  };
  EXPECT_TRUE(line("baseline seed 0").ends_with(" done")) << second.out;
  EXPECT_TRUE(line("baseline seed 1").ends_with("(as measured)")) << second.out;
  EXPECT_TRUE(line("+mix seed 0").ends_with("(as baseline)")) << second.out;
  EXPECT_TRUE(line("wider seed 0").ends_with("by bench, a run alone)")) << second.out;
}

TEST(Ablate, PreparedWeightsComeFirst) {
  const TempFolder folder;
  const auto recipe =
      folder.write("tiny.toml", kTitle + kBaseline +
                                    "[prepare.start]\nlr = 0.05\nseed = 5\n[cell.a]\ninit = \"{start}\"\n[cell.b]\n");
  const auto out = folder.path() / "out";
  const Outcome outcome = striate(ablate(recipe, out, {"--jobs", "2", "--seeds", "1"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto alone = folder.path() / "alone";
  ASSERT_EQ(
      striate(small_train(alone, {"--epochs", "2", "--init", (out / "prepare/start/weights.safetensors").string()}))
          .status,
      0);
  EXPECT_TRUE(weights_of(alone) == weights_of(out / "runs/a/seed-0"));
  EXPECT_FALSE(weights_of(alone) == weights_of(out / "runs/b/seed-0"));
  EXPECT_TRUE(contains(read_text(out / "results.csv"), ",{start},"));

  // The folder may be moved; what cannot be prepared is said.
  fs::rename(out, folder.path() / "moved");
  EXPECT_EQ(striate(ablate(recipe, folder.path() / "moved", {"--seeds", "1"})).status, 0);
  const auto bad =
      folder.write("bad.toml", kTitle + kBaseline + "[prepare.start]\nlr=1e34\n[cell.a]\ninit=\"{start}\"\n");
  const Outcome failed = striate(ablate(bad, out, {"--seeds", "1"}));
  EXPECT_EQ(failed.status, 1);
  EXPECT_TRUE(contains(failed.out, "a seed 0: not run, since prepare start failed")) << failed.out;
}

TEST(Ablate, WrongUseIsRefused) {
  const TempFolder folder;
  const auto recipe = folder.write("tiny.toml", kTricks);
  const auto out = folder.path() / "out";
  EXPECT_EQ(striate({"ablate", "--out", out.string()}).status, 2);
  EXPECT_EQ(striate({"ablate", recipe.string()}).status, 2);
  for (const auto& flags : std::vector<std::vector<std::string>>{
           {"--seeds", "0"}, {"--jobs", "0"}, {"--threads", "-1"}, {"--epochs", "-1"}, {"--only", ","}}) {
    EXPECT_EQ(striate(ablate(recipe, out, flags)).status, 2) << flags[0];
  }
  EXPECT_EQ(striate(ablate(folder.path() / "none.toml", out)).status, 1);
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace striate

// `striate ablate --until-resolved`: which seeds it adds, on runs written by hand and on tiny networks.

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/support/ablation.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

const std::string kRecipe =
    "title=\"t\"\n[baseline]\nmodel=\"vgg11\"\nwidth-multiplier=0.0625\nbatch-size=32\nepochs=1\n[cell.a]\n[cell.b]\n"
    "mixup=0.2\n[cell.c]\nlr=0.05\nagainst=\"a\"\n";

std::vector<std::string> ablate(const fs::path& recipe, const fs::path& out, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"ablate",     recipe.string(), "--out", out.string(),      "--data",
                                    small_data(), "--threads",     "1",     "--until-resolved"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// A finished run, which nothing is trained for.
void write_run(const TempFolder& folder, const std::string& cell, int seed, double accuracy) {
  const std::string run = "out/runs/" + cell + "/seed-" + std::to_string(seed);
  folder.write(run + "/metrics.csv",
               "epoch,test_loss,test_accuracy,seconds,images_per_second\n1,1," + std::to_string(accuracy) + ",1,100\n");
  folder.write(run + "/outcome.txt", "finished");
}

// b is resolved by three seeds; c needs a fourth, which lies there with a's, and b's is not run.
TEST(UntilResolved, OnlyCellsThatAreNotResolvedGetSeeds) {
  const TempFolder folder;
  const auto recipe = folder.write("t.toml", kRecipe);
  const std::vector<double> a = {0.50, 0.52, 0.54, 0.51};
  const std::vector<double> b = {0.60, 0.63, 0.64};
  const std::vector<double> c = {0.52, 0.545, 0.57, 0.535};
  for (int seed = 0; seed < 4; ++seed) {
    const auto at = static_cast<std::size_t>(seed);
    write_run(folder, "a", seed, a[at]);
    if (seed < 3) write_run(folder, "b", seed, b[at]);
    write_run(folder, "c", seed, seed < 3 ? a[at] + (seed == 1 ? 0.03 : 0.01) : c[at]);
  }
  const auto out = folder.path() / "out";
  const Outcome outcome = striate(ablate(recipe, out, {"--seeds", "3", "--max-seeds", "4"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_FALSE(fs::exists(out / "runs/b/seed-3"));
  EXPECT_TRUE(contains(read_text(out / "report.md"), "--seeds 3 --until-resolved --max-seeds 4 --out DIR"));
  EXPECT_TRUE(contains(read_text(out / "deltas.csv"), "\nCells,b,a,3,")) << read_text(out / "deltas.csv");
  EXPECT_TRUE(contains(read_text(out / "deltas.csv"), "\nCells,c,a,4,")) << read_text(out / "deltas.csv");
  EXPECT_TRUE(contains(outcome.out, "every delta is resolved: no more seeds are added\n")) << outcome.out;
  // One seed fewer may be had: then it says what is not resolved.
  const Outcome limited = striate(ablate(recipe, out, {"--seeds", "3", "--max-seeds", "3"}));
  EXPECT_EQ(limited.status, 0) << limited.err;
  EXPECT_TRUE(contains(limited.out, "--max-seeds 3 is reached; not resolved: c against a (+1.67, p 0.130)\n"))
      << limited.out;
}

TEST(UntilResolved, AddsToTheLimitAndGoesOnAfterSigkill) {
  const TempFolder folder;
  const auto recipe = folder.write("t.toml", kRecipe);
  const auto whole = folder.path() / "whole";
  const auto broken = folder.path() / "broken";
  const std::vector<std::string> flags = {"--only", "a,c", "--seeds", "1", "--max-seeds", "3"};
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = striate(ablate(recipe, whole, flags));
  const auto duration = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "by seeds below 1 not resolved: c against a (")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "; adding seed 1 of a, c\n")) << outcome.out;
  EXPECT_FALSE(contains(outcome.out, "b against a")) << outcome.out;
  RandomSequence random(random_stream(3, RandomUse::test));
  int killed = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const milliseconds moment((random.below(duration.count()) + 40) * (attempt + 4) / 8);
    const Outcome part = striate(ablate(recipe, broken, flags), {.signal_after = moment, .signal = SIGKILL});
    if (part.status == 0) break;
    ASSERT_EQ(part.status, 128 + SIGKILL) << part.err;
    ++killed;
  }
  EXPECT_GE(killed, 1);
  ASSERT_EQ(runs_in(whole), runs_in(broken));
  for (const std::string& run : runs_in(whole)) {
    EXPECT_TRUE(weights_of(whole / "runs" / run) == weights_of(broken / "runs" / run)) << run;
  }
  EXPECT_EQ(read_text(whole / "deltas.csv"), read_text(broken / "deltas.csv"));
}

TEST(UntilResolved, FailedRunsAreNoReasonToGoOnForEver) {
  const TempFolder folder;
  const auto recipe = folder.write("t.toml", kRecipe + "[cell.d]\nlr=1e34\nagainst=\"a\"\n");
  const auto out = folder.path() / "out";
  for (int seed = 0; seed < 3; ++seed) write_run(folder, "a", seed, 0.5);
  const Outcome outcome = striate(ablate(recipe, out, {"--only", "a,d", "--seeds", "2", "--max-seeds", "3"}));
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "without a finished run: d against a\n")) << outcome.out;
  EXPECT_FALSE(fs::exists(out / "runs/d/seed-2"));
}

TEST(UntilResolved, CellsWithoutADelta) {
  const TempFolder folder;
  const auto recipe = folder.write("t.toml", kRecipe);
  const auto out = folder.path() / "out";
  for (int seed = 0; seed < 2; ++seed) write_run(folder, "b", seed, 0.5);
  const Outcome outcome = striate(ablate(recipe, out, {"--only", "b", "--seeds", "2"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "there is no delta between the cells that run")) << outcome.out;
}

TEST(UntilResolved, FlagsThatDoNotFit) {
  const TempFolder folder;
  const auto recipe = folder.write("t.toml", kRecipe);
  const auto out = folder.path() / "out";
  const Outcome few = striate(ablate(recipe, out, {"--seeds", "5", "--max-seeds", "4"}));
  EXPECT_EQ(few.status, 2);
  EXPECT_TRUE(contains(few.err, "--max-seeds must be from --seeds 5 to 10000, got 4")) << few.err;
  const Outcome alone = striate({"ablate", recipe.string(), "--out", out.string(), "--max-seeds", "4"});
  EXPECT_EQ(alone.status, 2);
  EXPECT_TRUE(contains(alone.err, "--max-seeds means nothing without --until-resolved")) << alone.err;
  const Outcome dry = striate(ablate(recipe, out, {"--seeds", "2", "--dry-run", "--only", "a"}));
  EXPECT_TRUE(contains(dry.out, "then --until-resolved adds up to 8 runs a cell\n")) << dry.out << dry.err;
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace striate

// results.csv, report.md and chart.svg from folders written by hand.

#include <gtest/gtest.h>

#include "apps/ablate/deltas.h"
#include "apps/ablate/report.h"
#include "tests/support/temp_folder.h"

namespace striate::cli {
namespace {

using testing_support::TempFolder;

const std::string kHeader =
    "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds,"
    "images_per_second";

// A run of two epochs whose first was better than its last.
void write_run(const TempFolder& out, const std::string& folder, const std::string& accuracy) {
  out.write(folder + "/metrics.csv", kHeader + ",ema_test_accuracy\n" +
                                         "1,10,2.0,0.3,1.5,0.9900,0.1,10.00,100.0,0.1\n" + "2,20,1.0,0.6,0.5," +
                                         accuracy + ",0.1,30.00,200.0,0.7500\n");
  out.write(folder + "/outcome.txt", "finished");
}

Recipe small_recipe() {
  return parse_recipe(
      "title=\"Small\"\nabout=\"Of a test.\"\n[baseline]\nepochs=2\n[trick.one]\nlr=0.2\n[trick.two]\ncutout=8\n"
      "[trick.three]\ndropout=0.1\n",
      "small.toml");
}

// baseline 60, 62, 64; +one 70, 72, 74; +two 71 alone, seed 1 failed; +three nothing.
Results write_results(const TempFolder& out, const Recipe& recipe) {
  for (int seed = 0; seed < 3; ++seed) {
    write_run(out, "runs/baseline/seed-" + std::to_string(seed), "0.6" + std::to_string(2 * seed) + "00");
    write_run(out, "runs/+one/seed-" + std::to_string(seed), "0.7" + std::to_string(2 * seed) + "00");
  }
  write_run(out, "runs/+two/seed-0", "0.7100");
  out.write("runs/+two/seed-1/outcome.txt", "failed: the loss became nan, \"really\"");
  return gather(recipe, {.recipe_file = "small.toml", .seeds = 3}, out.path());
}

void expect_line(const std::string& text, const std::string& line) {
  EXPECT_NE(("\n" + text).find("\n" + line + "\n"), std::string::npos) << "expected the line\n"
                                                                       << line << "\nin\n"
                                                                       << text;
}

// With t(0.975, 4) = 2.7764 and s = 2: Welch's half width is 2.7764 * sqrt(2 * 4 / 3) = 4.53. The pairs differ by the
// same.
TEST(AblationReport, Tables) {
  const TempFolder out;
  const Recipe recipe = small_recipe();
  const std::string report = report_markdown(write_results(out, recipe));
  expect_line(report, "# Small");
  EXPECT_NE(report.find("7 of 18 runs are finished."), std::string::npos) << report;
  expect_line(report, "| cell | runs | mean % | std | against | delta | paired 95% | Welch 95% | p (Holm) | |");
  expect_line(report, "| baseline | 3 | 62.00 | 2.00 | | | | | | |");
  expect_line(report,
              "| +one | 3 | 72.00 | 2.00 | baseline | +10.00 | +10.00 to +10.00 | +5.47 to +14.53 | <0.001 | better |");
  expect_line(report, "| +two | 1, 1 failed | 71.00 | | +one | +1.00 | | | | not resolved |");
  expect_line(report, "- +two against +one is by seed 0 alone: one of the two lacks seeds 1, 2.");
  expect_line(report, "| +three | 0 | | | +two | | | | | missing |");
  expect_line(report, "| without-three | 1, 1 failed | 71.00 | | full stack | | | | | missing |");
  expect_line(report, "| baseline | 60.00, 62.00, 64.00 | 20.0 | 75.00 |");
  expect_line(report, "| +three | | | |");
  expect_line(report, "- +two seed 1: the loss became nan, \"really\"");
  expect_line(report, "- +two: seeds 2");
  expect_line(report, "- +three: seeds 0, 1, 2");
  EXPECT_NE(report.find("![test accuracy by cell](chart.svg)"), std::string::npos);
  EXPECT_EQ(report.find("until-resolved"), std::string::npos);
}

const char* kThreeCells = "title=\"t\"\n[baseline]\nepochs=2\n[cell.a]\n[cell.b]\nlr=0.2\n[cell.c]\nlr=0.3\n";

// Runs of a cell, by seed; none where there is no accuracy.
void write_runs(const TempFolder& out, const std::string& cell, const std::vector<const char*>& accuracies) {
  for (std::size_t seed = 0; seed < accuracies.size(); ++seed) {
    if (*accuracies[seed] != '\0') write_run(out, "runs/" + cell + "/seed-" + std::to_string(seed), accuracies[seed]);
  }
}

// b - a is 1, 3, 2 points: t = 2 / (1 / sqrt(3)), p = 1 - t / sqrt(2 + t^2) = 0.0742; half width 4.3027 / sqrt(3)
// = 2.48. c - b is -9, -11, -10: p = 1 - 10 sqrt(3) / sqrt(302) = 0.0033, times two.
TEST(AblationReport, PairsOfSeeds) {
  const TempFolder out;
  const Recipe recipe = parse_recipe(kThreeCells, "x");
  write_runs(out, "a", {"0.50", "0.60", "0.70"});
  write_runs(out, "b", {"0.51", "0.63", "0.72"});
  write_runs(out, "c", {"0.42", "0.52", "0.62"});
  const Results results = gather(recipe, {.recipe_file = "x.toml", .seeds = 3}, out.path());
  const std::string report = report_markdown(results);
  EXPECT_NE(report.find("| a | +2.00 | -0.48 to +4.48 | "), std::string::npos) << report;
  EXPECT_NE(report.find(" | 0.074 | not resolved |"), std::string::npos) << report;
  EXPECT_NE(report.find("| b | -10.00 | -12.48 to -7.52 | "), std::string::npos) << report;
  EXPECT_NE(report.find(" | 0.007 | worse |"), std::string::npos) << report;
  EXPECT_EQ(report.find("do not pair"), std::string::npos) << report;
  EXPECT_EQ(report.find("Still missing"), std::string::npos) << report;
  const std::string csv = deltas_csv(results);
  EXPECT_NE(csv.find("\nCells,b,a,3,0.02,-0.00484"), std::string::npos) << csv;
  EXPECT_NE(csv.find("\nCells,c,b,3,-0.1,"), std::string::npos) << csv;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3) << csv;
}

// Two p of 0.0277 and 0.0360: each is below 0.05, and by Holm neither is.
TEST(AblationReport, HolmsCorrectionOverATable) {
  const TempFolder out;
  const Recipe recipe = parse_recipe(kThreeCells, "x");
  write_runs(out, "a", {"0.500", "0.600", "0.700"});
  write_runs(out, "b", {"0.520", "0.630", "0.737"});
  write_runs(out, "c", {"0.500", "0.601", "0.697"});
  const Results both = gather(recipe, {.recipe_file = "x.toml", .seeds = 3}, out.path());
  const auto deltas = table_deltas(both, recipe.tables[0]);
  ASSERT_EQ(deltas.size(), 2U);
  for (const Delta& delta : deltas) {
    ASSERT_TRUE(delta.paired && delta.holm);
    EXPECT_LT(delta.paired->p, 0.05);
    EXPECT_GT(*delta.holm, 0.05);
    EXPECT_FALSE(delta.resolved());
    EXPECT_TRUE(delta.verdict().starts_with("not resolved (p 0.0")) << delta.verdict();
  }
  // Alone, it is.
  const TempFolder without;
  write_runs(without, "a", {"0.500", "0.600", "0.700"});
  write_runs(without, "b", {"0.520", "0.630", "0.737"});
  const Results one = gather(recipe, {.recipe_file = "x.toml", .seeds = 3}, without.path());
  EXPECT_EQ(table_deltas(one, recipe.tables[0])[0].verdict(), "better");
  EXPECT_EQ(table_deltas(one, recipe.tables[0])[1].verdict(), "missing");
}

// A failed or missing run takes its seed from the delta, not from Welch's interval nor from the means.
TEST(AblationReport, OnlyCommonSeedsArePairs) {
  const TempFolder out;
  const Recipe recipe = parse_recipe(kThreeCells, "x");
  write_runs(out, "a", {"0.50", "0.60", "0.70", "0.80"});
  write_runs(out, "b", {"0.52", "", "0.71", "", "", "0.90"});
  write_runs(out, "c", {"", "0.7"});
  const Results results = gather(recipe, {.recipe_file = "x.toml", .seeds = 4}, out.path());
  const auto deltas = table_deltas(results, recipe.tables[0]);
  EXPECT_EQ(deltas[0].seeds, (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(deltas[0].alone, (std::vector<std::int64_t>{1, 3, 5}));
  EXPECT_NEAR(deltas[0].mean, 0.015, 1e-12);
  EXPECT_NEAR(deltas[0].welch->centre, 0.71 - 0.65, 1e-12);
  EXPECT_EQ(deltas[1].verdict(), "no common seed");
  EXPECT_EQ(table_deltas(results, recipe.tables[0], 2)[0].seeds, std::vector<std::int64_t>{0});
  const std::string report = report_markdown(results);
  expect_line(report, "- b against a is by seeds 0, 2 alone: one of the two lacks seeds 1, 3, 5.");
  expect_line(report, "- c against b is by no seed alone: one of the two lacks seeds 0, 1, 2, 5.");
  expect_line(report, "| b | 52.00, seed 2: 71.00, seed 5: 90.00 | 20.0 | 75.00 |");
}

TEST(AblationReport, TellsThatSeedsWereAdded) {
  const TempFolder out;
  const Recipe recipe = parse_recipe(kThreeCells, "x");
  const std::string report =
      report_markdown(gather(recipe, {.recipe_file = "x.toml", .seeds = 2, .max_seeds = 9}, out.path()));
  EXPECT_NE(report.find("x.toml --seeds 2 --until-resolved --max-seeds 9 --out DIR"), std::string::npos) << report;
  EXPECT_NE(report.find("looks after every\nseed"), std::string::npos) << report;
}

TEST(AblationReport, SeedsBesideTheOnesAskedForCount) {
  const TempFolder out;
  const Recipe recipe = small_recipe();
  write_results(out, recipe);
  const std::string report = report_markdown(gather(recipe, {.recipe_file = "small.toml", .seeds = 1}, out.path()));
  EXPECT_NE(report.find("| baseline | 3 | 62.00 |"), std::string::npos) << report;
  expect_line(report, "- +three: seeds 0");
}

TEST(AblationReport, Csv) {
  const TempFolder out;
  const Recipe recipe = small_recipe();
  const std::string csv = results_csv(write_results(out, recipe));
  const std::string header = csv.substr(0, csv.find('\n'));
  EXPECT_TRUE(
      header.starts_with("cell,seed,state,test_accuracy,test_loss,train_loss,train_accuracy,ema_test_accuracy,"
                         "seconds,images_per_second,epochs_done,"))
      << header;
  for (const char* flag : {",lr,", ",batch-size,", ",epochs,", ",milestones,", ",mixup,"}) {
    EXPECT_NE(header.find(flag), std::string::npos) << flag;
  }
  for (const char* flag : {",threads,", ",out,", ",resume,", ",data,"}) {
    EXPECT_EQ(header.find(flag), std::string::npos) << flag;
  }
  // The last epoch's, with the whole run's time and mean speed: (10 * 100 + 30 * 200) / 40.
  EXPECT_NE(csv.find("\nbaseline,1,finished,0.62,0.5,1,0.6,0.75,40.00,175.0,2,"), std::string::npos) << csv;
  EXPECT_NE(csv.find("\n+two,1,failed,,,,,,0.00,0.0,0,"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",\"the loss became nan, \"\"really\"\"\"\n"), std::string::npos) << csv;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 7 + 1);
}

TEST(AblationReport, DamagedMetricsAreNamedByTheirLine) {
  const Recipe recipe = parse_recipe("title=\"t\"\n[baseline]\nepochs=2\n[cell.a]\n", "x");
  const std::string whole =
      kHeader + "\n1,10,2.0,0.3,1.5,0.9900,0.1,10.00,100.0\n2,20,1.0,0.6,0.5,0.8,0.1,30.00,200.0\n";
  const auto reason = [&](const std::string& metrics) {
    const TempFolder out;
    out.write("runs/a/seed-0/metrics.csv", metrics);
    out.write("runs/a/seed-0/outcome.txt", "finished");
    const RunResult run = gather(recipe, {.recipe_file = "x.toml", .seeds = 1}, out.path()).cells[0].runs[0];
    EXPECT_EQ(run.state, run.reason.empty() ? RunState::finished : RunState::failed);
    EXPECT_EQ(run.last.empty(), !run.reason.empty());
    return run.reason;
  };
  const auto with = [&](const std::string& old, const std::string& now) {
    std::string text = whole;
    return text.replace(text.find(old), old.size(), now);
  };
  EXPECT_EQ(reason(whole), "");
  EXPECT_EQ(reason(with("200.0\n", "")),
            "metrics.csv line 3 is cut off, though the run has ended: it was damaged since");
  for (const auto& [text, damage] : std::vector<std::pair<std::string, std::string>>{
           {with(",200.0\n", "\n"), "line 3 has 8 columns, the first line 9"},
           {with("0.9900", std::string(6, '\0')), "line 2 has a NUL byte"},
           {with("0.9900", "0.99x0"), "line 2 has test_accuracy = 0.99x0"},
           {with("0.9900", "99.00"), "line 2 has test_accuracy = 99.00"},
           {with("0.9900", "nan"), "line 2 has test_accuracy = nan"},
           {with("seconds", "sec\x1bnds"), "line 1 names no column seconds"},
           {with("epoch,", "epoch,\""), "line 1 is cut off"},
           {"", "is empty"}}) {
    EXPECT_TRUE(reason(text).starts_with("metrics.csv " + damage)) << reason(text);
  }
}

TEST(AblationReport, PreparedRunsAreInIt) {
  const TempFolder out;
  const Recipe recipe = parse_recipe(
      "title=\"T\"\n[baseline]\nepochs=2\n[prepare.teacher]\nlr=0.2\n[cell.a]\n[cell.b]\nteacher=\"{teacher}\"\n",
      "x.toml");
  write_run(out, "prepare/teacher", "0.8125");
  const Results results = gather(recipe, {.recipe_file = "x.toml", .seeds = 1}, out.path());
  EXPECT_NE(results_csv(results).find("\nprepare.teacher,0,finished,0.8125,0.5,"), std::string::npos)
      << results_csv(results);
  expect_line(report_markdown(results), "Prepared: teacher 81.25%.");
}

TEST(AblationReport, ChartHasADotForEverySeed) {
  const TempFolder out;
  const Recipe recipe = small_recipe();
  const std::string svg = chart_svg(write_results(out, recipe));
  const auto count = [&](const std::string& what) {
    int found = 0;
    for (std::size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++found;
    return found;
  };
  // Stacked 3 + 3 + 1, left out only +two again, as without-three.
  EXPECT_EQ(count("<circle"), 8);
  EXPECT_EQ(count("class=\"mean\""), 4);
  EXPECT_EQ(count("no run yet"), 4);
  EXPECT_EQ(count("62.00%"), 1);
  EXPECT_EQ(count("class=\"\">+10.00 ± 0.00<"), 1);
  EXPECT_EQ(count("class=\"quiet\">+1.00<"), 1);
  EXPECT_EQ(count("<text"), count("</text>"));
}

}  // namespace
}  // namespace striate::cli

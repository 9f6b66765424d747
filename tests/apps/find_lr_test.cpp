// The range test, its suggestion, and `striate find-lr` as a user runs it.

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "apps/training/csv.h"
#include "apps/training/range_test.h"
#include "apps/training/trainer.h"
#include "core/random.h"
#include "data/generated.h"
#include "models/registry.h"
#include "tests/support/errors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;
using std::chrono::milliseconds;

const Dataset& images() {
  static const Dataset train = generate_split({.train_images = 100, .test_images = 10}, Split::train);
  return train;
}

// Seven updates an epoch, the last of 4 images.
TrainerOptions small_options() {
  TrainerOptions options;
  options.loader.batch_size = 8;
  options.accumulate = 2;
  options.groups.weight_decay = 5e-4;
  return options;
}

RangeTest test_of(const TrainerOptions& options, const RangeTestOptions& test) {
  manual_seed(1);
  const auto model = make_model("lenet", {.classes = 10});
  return range_test(*model, images(), options, test);
}

TEST(RangeTest, RatesRiseExponentiallyAndTheMeanIsSmoothed) {
  std::vector<double> seen;
  const RangeTest test =
      test_of(small_options(), {.min_lr = 1e-4, .max_lr = 1e-2, .steps = 21, .beta = 0.9, .on_step = [&](auto& point) {
                                  seen.push_back(point.loss);
                                }});
  ASSERT_EQ(test.points.size(), 21U);
  EXPECT_EQ(test.ending, RangeTest::Ending::finished);
  double sum = 0;
  double weights = 0;
  for (std::size_t i = 0; i < 21; ++i) {
    const RangePoint& point = test.points[i];
    EXPECT_NEAR(point.lr, 1e-4 * std::pow(10, static_cast<double>(i) / 10), 1e-12);
    // The weighted mean of all so far, the newest with weight 1, the one before 0.9, ...
    sum = 0.9 * sum + point.loss;
    weights = 0.9 * weights + 1;
    EXPECT_NEAR(point.smoothed, sum / weights, 1e-12);
    EXPECT_EQ(seen[i], point.loss);
  }
  EXPECT_EQ(test.points[0].smoothed, test.points[0].loss);
}

// Its losses are those of a run that takes the same steps, over the ends of epochs.
TEST(RangeTest, StepsAreThoseOfATraining) {
  const TrainerOptions options = small_options();
  // A rate that hardly rises.
  const RangeTest test = test_of(options, {.min_lr = 0.01, .max_lr = 0.0100000001, .steps = 10});
  manual_seed(1);
  const auto model = make_model("lenet", {.classes = 10});
  TrainerOptions constant = options;
  constant.schedule = {.kind = "constant", .lr = 0.01};
  constant.epochs = 2;
  std::vector<double> losses;
  Trainer trainer(*model, images(), images(), constant);
  trainer.on_step([&](const StepResult& step) { losses.push_back(step.loss); });
  trainer.run();
  ASSERT_EQ(losses.size(), 14U);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_NEAR(test.points[i].loss, losses[i], 1e-5) << i;
}

TEST(RangeTest, RatesAreForTheBatchThatTheyAreSetFor) {
  TrainerOptions options = small_options();
  const RangeTest plain = test_of(options, {.min_lr = 2e-3, .max_lr = 2e-1, .steps = 12});
  options.base_batch_size = 8;  // an update has 16
  const RangeTest scaled = test_of(options, {.min_lr = 1e-3, .max_lr = 1e-1, .steps = 12});
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_NEAR(scaled.points[i].loss, plain.points[i].loss, 1e-4) << i;
    EXPECT_NEAR(2 * scaled.points[i].lr, plain.points[i].lr, 1e-12);
  }
}

TEST(RangeTest, Endings) {
  const RangeTest rose = test_of(small_options(), {.min_lr = 1e-3, .max_lr = 1e3, .steps = 60, .stop_factor = 1.5});
  EXPECT_EQ(rose.ending, RangeTest::Ending::rose);
  EXPECT_LT(rose.points.size(), 60U);
  double lowest = INFINITY;
  for (const RangePoint& point : rose.points) lowest = std::min(lowest, point.smoothed);
  EXPECT_GT(rose.points.back().smoothed, 1.5 * lowest);
  EXPECT_LE(rose.points[rose.points.size() - 2].smoothed, 1.5 * lowest);

  const RangeTest broken = test_of(small_options(), {.min_lr = 1e30, .max_lr = 1e35});
  EXPECT_EQ(broken.ending, RangeTest::Ending::not_finite);
  EXPECT_LE(broken.points.size(), 2U);
  EXPECT_NE(broken.reason.find("(learning rate 1"), std::string::npos) << broken.reason;
  EXPECT_FALSE(suggested_point(broken));

  TrainerOptions stopping = small_options();
  int asked = 0;
  stopping.stop = [&] { return ++asked > 3; };
  const RangeTest stopped = test_of(stopping, {});
  EXPECT_EQ(stopped.ending, RangeTest::Ending::stopped);
  EXPECT_EQ(stopped.points.size(), 3U);
}

TEST(RangeTest, RefusesWhatMakesNoRange) {
  for (const auto& [test, message] :
       std::vector<std::pair<RangeTestOptions, std::string>>{{{.min_lr = 0}, "min_lr above 0"},
                                                             {{.min_lr = 1, .max_lr = 1}, "max_lr above min_lr"},
                                                             {{.max_lr = INFINITY}, "max_lr above min_lr"},
                                                             {{.steps = 1}, "2 steps or more"},
                                                             {{.beta = 1}, "beta from 0 to below 1"},
                                                             {{.stop_factor = 1}, "stop_factor above 1"}}) {
    expect_error<std::invalid_argument>([&, test = test] { test_of(small_options(), test); }, {message});
  }
}

// Losses that fall by 1 around the middle step, and rise without end from the last step on.
RangeTest curve(std::size_t steps, double middle, double width, double last, double noise) {
  RangeTest test;
  const RandomStream random = random_stream(4, RandomUse::test);
  for (std::size_t i = 0; i < steps; ++i) {
    const auto at = static_cast<double>(i);
    const double loss = 2 - 1 / (1 + std::exp(-(at - middle) / width)) + std::max(0.0, at - last);
    test.points.push_back({.lr = std::pow(10, at / 10), .loss = loss + noise * random.uniform(i), .smoothed = loss});
  }
  return test;
}

TEST(RangeTest, SuggestsWhereTheLossFallsFastest) {
  for (const double middle : {25.0, 40.0, 70.0}) {
    const auto best = suggested_point(curve(100, middle, 4, 95, 0.1));
    ASSERT_TRUE(best) << middle;
    EXPECT_NEAR(static_cast<double>(*best), middle, 3);
  }
  EXPECT_NEAR(static_cast<double>(*suggested_point(curve(1000, 600, 40, 900, 0.1))), 600, 15);
  EXPECT_NEAR(static_cast<double>(*suggested_point(curve(10, 5, 1, 9, 0))), 5, 1);
}

TEST(RangeTest, SuggestsNothingWhereThereIsNoFall) {
  EXPECT_FALSE(suggested_point({}));
  EXPECT_FALSE(suggested_point(curve(9, 5, 1, 9, 0)));
  EXPECT_FALSE(suggested_point(curve(100, 1000, 1, 95, 0)));    // flat, then up
  EXPECT_FALSE(suggested_point(curve(100, 1000, 1, 1000, 0)));  // flat
  EXPECT_FALSE(suggested_point(curve(100, 50, 4, 95, 10)));     // less than the noise
}

TEST(RangeTest, ALossThatFallsToTheEnd) {
  const RangeTest cut = curve(60, 65, 6, 95, 0.01);
  EXPECT_TRUE(suggested_point(cut));
  EXPECT_TRUE(falls_to_the_end(cut));
  EXPECT_FALSE(falls_to_the_end(curve(100, 65, 6, 95, 0.01)));
}

std::vector<std::string> find_lr(const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"find-lr",   "--model", "vgg11",  "--width-multiplier", "0.0625",
                                    "--threads", "1",       "--data", small_data().string()};
  words.insert(words.end(), {"--batch-size", "100", "--steps", "60"});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(FindLr, PrintsAPlotAndAFlag) {
  const TempFolder folder;
  const auto csv = folder.path() / "points.csv";
  const auto svg = folder.path() / "plot.svg";
  const Outcome outcome = striate(find_lr({"--out", csv.string(), "--plot", svg.string()}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(
      contains(outcome.out, "vgg11 with sgd:momentum=0.9,nesterov=true in batches of 100 on 300 training images"))
      << outcome.out;
  const std::size_t flag = outcome.out.find("train with\n\n    --lr 0.");
  ASSERT_NE(flag, std::string::npos) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "<-- suggested")) << outcome.out;
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"plot.svg", "points.csv"}));
  const auto lines = csv_lines(read_text(csv));
  EXPECT_EQ(lines[0], (std::vector<std::string>{"step", "learning_rate", "loss", "smoothed_loss"}));
  EXPECT_EQ(lines[1][1], "1e-07");
  EXPECT_LE(lines.size(), 61U);
  EXPECT_TRUE(contains(read_text(svg), "</svg>"));
  EXPECT_TRUE(contains(read_text(svg), ">--lr 0.")) << read_text(svg);

  // The flag is one of train's, and the test does not hang on the number of threads.
  const std::string rate = outcome.out.substr(flag + 16, outcome.out.find('\n', flag + 16) - flag - 17);
  std::vector<std::string> train = small_train(folder.path() / "run", {"--epochs", "1"});
  std::istringstream words(rate);
  for (std::string word; words >> word;) train.push_back(word);
  EXPECT_EQ(striate(train).status, 0) << rate;
  const auto again = folder.path() / "again.csv";
  EXPECT_EQ(striate(find_lr({"--out", again.string(), "--threads", "2", "--workers", "0"})).status, 0);
  EXPECT_EQ(read_text(csv), read_text(again));
}

// With the flags of a run, whose folder stays as it is.
TEST(FindLr, TakesTheFlagsOfARun) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(striate(small_train(run, {"--epochs", "1", "--schedule", "multistep", "--milestones", "1", "--optimizer",
                                      "adamw", "--beta1", "0.8", "--label-smoothing", "0.1"}))
                .status,
            0);
  const std::vector<std::string> before = names_in(run);
  const std::string weights = weights_of(run);
  const std::string metrics = read_text(run / "metrics.csv");
  const Outcome outcome = striate({"find-lr", "--config", (run / "config.toml").string(), "--steps", "12"});
  EXPECT_TRUE(contains(outcome.out, "vgg11 with adamw:beta1=0.8,")) << outcome.out << outcome.err;
  EXPECT_TRUE(outcome.status == 0 || contains(outcome.err, "no suggestion")) << outcome.err;
  EXPECT_EQ(names_in(run), before);
  EXPECT_TRUE(weights_of(run) == weights);
  EXPECT_EQ(read_text(run / "metrics.csv"), metrics);
}

TEST(FindLr, DivergingAtOnce) {
  const TempFolder folder;
  const auto csv = folder.path() / "points.csv";
  const Outcome outcome = striate(find_lr({"--min-lr", "1e30", "--max-lr", "1e34", "--out", csv.string()}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(contains(outcome.out, "the first layer whose output is not finite")) << outcome.out;
  EXPECT_TRUE(contains(outcome.err, "no suggestion: the loss diverged after ")) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "give a lower --min-lr than 1e+30")) << outcome.err;
  EXPECT_TRUE(read_text(csv).starts_with("step,learning_rate,loss,smoothed_loss\n1,1e+30,"));
}

TEST(FindLr, RatesThatAreTooLowSuggestNothing) {
  const Outcome outcome = striate(find_lr({"--max-lr", "1e-6", "--steps", "20"}));
  EXPECT_EQ(outcome.status, 1) << outcome.out;
  EXPECT_TRUE(contains(outcome.err, "the loss does not clearly fall at any rate from 1e-07 to 1e-06")) << outcome.err;
}

TEST(FindLr, ControlCKeepsNothing) {
  const TempFolder folder;
  const auto csv = folder.path() / "points.csv";
  Outcome outcome;
  for (int wait = 200; !contains(outcome.out, "interrupted after ") && wait < 20000; wait *= 2) {
    outcome = striate(find_lr({"--steps", "100000", "--max-lr", "1e-6", "--out", csv.string()}),
                      {.signal_after = milliseconds(wait), .signal = SIGINT});
  }
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, " of 100000 steps; nothing was kept, and nothing is suggested\n")) << outcome.out;
  EXPECT_FALSE(contains(outcome.out, "--lr")) << outcome.out;
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(FindLr, WrongUseIsRefused) {
  const TempFolder folder;
  const auto refused = [&](const std::vector<std::string>& flags) {
    const Outcome outcome = striate(find_lr(flags));
    EXPECT_EQ(outcome.status, 2) << flags[0] << outcome.out;
    return outcome.err;
  };
  EXPECT_TRUE(contains(refused({"--steps", "9"}), "--steps must be from 10 to 100000, got 9"));
  EXPECT_TRUE(contains(refused({"--min-lr", "0"}), "--min-lr must be more than 0"));
  EXPECT_TRUE(
      contains(refused({"--min-lr", "1", "--max-lr", "0.1"}), "--max-lr must be more than --min-lr 1, got 0.1"));
  EXPECT_TRUE(contains(refused({"--lr", "0.1"}), "--lr means nothing to find-lr"));
  EXPECT_TRUE(contains(refused({"--head-lr", "0.1"}), "leave it out: one rate is tried for the whole model"));
  EXPECT_TRUE(contains(refused({"--resume"}), "--resume means nothing to find-lr; leave it out (striate"));
  EXPECT_TRUE(contains(refused({"--stepps", "20"}), "did you mean --steps?"));
  const std::string nowhere = (folder.path() / "none/points.csv").string();
  EXPECT_TRUE(contains(refused({"--out", nowhere}), "--out must be a file in a folder that is there"));
  EXPECT_TRUE(contains(refused({"--plot", folder.path().string()}), "--plot must be a file in a folder"));
  const Outcome help = striate({"find-lr", "--help"});
  EXPECT_TRUE(contains(help.out, "--min-lr") && contains(help.out, "--label-smoothing")) << help.out;
  EXPECT_FALSE(contains(help.out, "--milestones") || contains(help.out, "--resume")) << help.out;
}

}  // namespace
}  // namespace striate

// Recipes: the grid they stand for, what is refused, and that the shipped ones are sound.

#include <gtest/gtest.h>

#include <filesystem>

#include "apps/ablate/recipe.h"
#include "apps/cli/command_line.h"
#include "apps/cli/train_flags.h"
#include "tests/support/files.h"

namespace striate::cli {
namespace {

using Names = std::vector<std::string>;

const std::string kTricks = R"(title = "A test"  # and a comment
run = ["stacked", "leave-one-out"]
[baseline]
epochs = 4
lr = 0.1
[trick.batch]
batch-size = 256
lr = 0.2
[trick.smoothing]
label-smoothing = 0.1
[trick.plain]
nesterov = false
lr = 0.4
)";

Names names_of(const Recipe& recipe) {
  Names names;
  for (const Cell& cell : recipe.cells) names.push_back(cell.name);
  return names;
}

std::string flag_of(const Recipe& recipe, const std::string& cell, const std::string& flag) {
  return value_of(recipe.cells[recipe.find(cell)].effective, flag);
}

// "label: cell against label" of every row.
Names rows_of(const Recipe& recipe, const Table& table) {
  Names rows;
  for (const Row& row : table.rows) {
    rows.push_back(row.label + ": " + recipe.cells[row.cell].name +
                   (row.against ? " against " + table.rows[*row.against].label : ""));
  }
  return rows;
}

void expect_refused(const std::string& text, const std::string& message) {
  try {
    parse_recipe(text, "test.toml");
    ADD_FAILURE() << "not refused: " << text;
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos)
        << "expected: " << message << "\ngot: " << error.what();
    EXPECT_NE(std::string(error.what()).find("test.toml"), std::string::npos) << error.what();
  }
}

TEST(Recipe, StacksAndLeavesOut) {
  const Recipe recipe = parse_recipe(kTricks, "test.toml");
  EXPECT_EQ(recipe.title, "A test");
  ASSERT_EQ(recipe.tables.size(), 2);
  EXPECT_EQ(rows_of(recipe, recipe.tables[0]),
            (Names{"baseline: baseline", "+batch: +batch against baseline", "+smoothing: +smoothing against +batch",
                   "+plain: +plain against +smoothing"}));
  // Without the last trick, the full stack is the row before it, and is not run again.
  EXPECT_EQ(rows_of(recipe, recipe.tables[1]),
            (Names{"full stack: +plain", "without-batch: without-batch against full stack",
                   "without-smoothing: without-smoothing against full stack",
                   "without-plain: +smoothing against full stack"}));
  EXPECT_EQ(names_of(recipe),
            (Names{"baseline", "+batch", "+smoothing", "+plain", "without-batch", "without-smoothing"}));
  EXPECT_EQ(recipe.find("without-plain"), recipe.find("+smoothing"));
}

TEST(Recipe, LaterFlagsWin) {
  const Recipe recipe = parse_recipe(kTricks, "test.toml");
  const std::vector<std::vector<std::string>> expected = {
      {"baseline", "128", "0.1", "0", "true"},         {"+batch", "256", "0.2", "0", "true"},
      {"+smoothing", "256", "0.2", "0.1", "true"},     {"+plain", "256", "0.4", "0.1", "false"},
      {"without-batch", "128", "0.4", "0.1", "false"}, {"without-smoothing", "256", "0.4", "0", "false"}};
  for (const auto& row : expected) {
    EXPECT_EQ(flag_of(recipe, row[0], "batch-size"), row[1]) << row[0];
    EXPECT_EQ(flag_of(recipe, row[0], "lr"), row[2]) << row[0];
    EXPECT_EQ(flag_of(recipe, row[0], "label-smoothing"), row[3]) << row[0];
    EXPECT_EQ(flag_of(recipe, row[0], "nesterov"), row[4]) << row[0];
    EXPECT_EQ(flag_of(recipe, row[0], "epochs"), "4") << row[0];
  }
  // Two spellings of one flag are still one flag.
  const Recipe negated = parse_recipe("title=\"t\"\n[baseline]\nnesterov = true\n[trick.x]\nno-nesterov = true\n", "x");
  EXPECT_EQ(flag_of(negated, "+x", "nesterov"), "false");
}

TEST(Recipe, AllRunsCanBeMadeShorter) {
  const Recipe recipe = parse_recipe(kTricks, "test.toml", 2);
  for (const std::string& name : names_of(recipe)) EXPECT_EQ(flag_of(recipe, name, "epochs"), "2") << name;
}

TEST(Recipe, ListsCells) {
  const Recipe recipe = parse_recipe(
      "title=\"t\"\n[cell.a]\nlr=0.1\n[cell.b]\nlr=0.2\n[cell.c]\nlr=1e-1\n[cell.d]\nagainst=\"a\"\nlr=0.3\n", "x");
  ASSERT_EQ(recipe.tables.size(), 1);
  // c has a's flags in another spelling.
  EXPECT_EQ(rows_of(recipe, recipe.tables[0]), (Names{"a: a", "b: b against a", "c: a against b", "d: d against a"}));
}

TEST(Recipe, ACellMayTakeAFlagBack) {
  const Recipe recipe = parse_recipe(
      "title=\"t\"\n[baseline]\ninit=\"w\"\n[cell.a]\ninit=\"\"\nlr=0.3\n[cell.b]\nfreeze=[]\nlr=0.2\n", "x");
  EXPECT_EQ(flag_of(recipe, "a", "init"), "");
  EXPECT_EQ(flag_of(recipe, "a", "lr"), "0.3");
  EXPECT_EQ(flag_of(recipe, "b", "init"), "w");
  EXPECT_EQ(flag_of(recipe, "b", "lr"), "0.2");
}

TEST(Recipe, WhatIsOffMayStandBesideAnything) {
  const Recipe recipe =
      parse_recipe("title=\"t\"\n[baseline]\naugment=\"none\"\nflip=\"none\"\npad=\"zero\"\n[cell.a]\nlr=0.1\n", "x");
  EXPECT_EQ(flag_of(recipe, "a", "flip"), "");
}

TEST(Recipe, HowARunReadsAndSavesIsLeftToIt) {
  const Recipe recipe = parse_recipe(
      "title=\"t\"\n[baseline]\nworkers=2\nmax-pixels=1000\ncheckpoint-minutes=1\n[cell.a]\nlr=0.1\n", "x");
  EXPECT_EQ(value_of(recipe.cells[0].given, "max-pixels"), "1000");
  EXPECT_EQ(value_of(recipe.cells[0].given, "checkpoint-minutes"), "1");
}

TEST(Recipe, PreparedWeights) {
  const Recipe recipe = parse_recipe(
      "title=\"t\"\n[baseline]\nlr=0.3\n[prepare.teacher]\nseed=7\n[trick.distil]\nteacher=\"{teacher}\"\n", "x");
  ASSERT_EQ(recipe.prepared.size(), 1);
  EXPECT_EQ(value_of(recipe.prepared[0].effective, "lr"), "0.3");
  EXPECT_TRUE(recipe.cells[recipe.find("baseline")].needs.empty());
  EXPECT_EQ(recipe.cells[recipe.find("+distil")].needs, std::set<std::string>{"teacher"});
  EXPECT_EQ(flag_of(recipe, "+distil", "teacher"), "{teacher}");
}

// Milestones belong to the baseline's schedule, not to the trick's, and a temperature to a teacher.
TEST(Recipe, FlagsThatMeanNothingInACellAreLeftOut) {
  const Recipe recipe = parse_recipe(
      "title = \"t\"\nrun = [\"stacked\", \"leave-one-out\"]\n[baseline]\nschedule = \"multistep\"\nmilestones = [1, "
      "2]\n"
      "[trick.cosine]\nschedule = \"cosine\"\n[trick.teacher]\nteacher = \"w.safetensors\"\n[trick.hot]\ntemperature = "
      "9\n",
      "x");
  EXPECT_EQ(flag_of(recipe, "baseline", "milestones"), "1,2");
  EXPECT_EQ(flag_of(recipe, "+cosine", "milestones"), "");
  EXPECT_EQ(flag_of(recipe, "without-cosine", "milestones"), "1,2");
  EXPECT_EQ(flag_of(recipe, "+hot", "temperature"), "9");
  EXPECT_EQ(flag_of(recipe, "without-teacher", "temperature"), "");
  for (const auto& [flag, value] : recipe.cells[recipe.find("without-teacher")].given) EXPECT_NE(flag, "temperature");
  expect_refused("title = \"t\"\n[trick.a]\npower = 2\n",
                 "power belongs to --schedule poly, got --schedule cosine in every");
}

TEST(Recipe, IsRefusedWithTheReason) {
  const std::string title = "title = \"t\"\n";
  expect_refused("[cell.a]\n", "title");
  expect_refused(title, "there is nothing to run");
  expect_refused(title + "run = \"stacked\"\n[cell.a]\n", "run needs tricks");
  for (const char* table : {"[prepare.a]\n", "[trick.a]\n", "[cell.a]\n"}) {
    expect_refused(title + table + "[baseline]\nlr = 1\n", "[baseline] must stand before");
  }
  expect_refused(title + "run = [\"stacked\", \"all\"]\n[trick.a]\n", "\"stacked\" and \"leave-one-out\", got \"all\"");
  expect_refused(title + "titel = \"u\"\n[cell.a]\n", "did you mean title?");
  expect_refused(title + "[trik.a]\n", "got [trik.a]");
  expect_refused(title + "[trick.a.b]\n", "got [trick.a.b]");
  expect_refused(title + "[trick." + std::string(101, 'a') + "]\n", "a NAME of up to 100 letters");
  expect_refused(title + "[trick." + std::string(200000, 'a') + "]\n", "a NAME of up to 100 letters");
  expect_refused(title + "[trick.a\n", "line 2: Error while parsing table header: expected ']'");
  expect_refused(title + "[trick.a]\n[trick.a]\n",
                 "line 3: Error while parsing table header: cannot redefine existing table");
  expect_refused(title + "[trick.a]\nlr = 1\nlr = 2\n",
                 "line 4: Error while parsing key-value pair: cannot redefine existing");
  expect_refused(title + "[trick.a]\nlearning = 1\n", "cell +a: unknown flag --learning");
  expect_refused(title + "[trick.a]\nlr = \"fast\"\n", "cell +a: ");
  expect_refused(title + "[trick.a]\nmodel = \"vgg61\"\n", "cell +a: --model must be one of ");
  expect_refused(title + "[baseline]\nepochs = 0\n[trick.a]\n", "cell baseline: --epochs must be");
  expect_refused(title + "[baseline]\nseed = 1\n[trick.a]\n", "[baseline]: seed is set by striate ablate");
  expect_refused(title + "[cell.a]\nout = \"x\"\n", "[cell.a]: out is set by striate ablate");
  expect_refused(title + "[cell.a]\nagainst = \"b\"\n[cell.b]\n", "against names no cell above it: b");
  expect_refused(title + "[prepare.best]\n[cell.a]\ninit = \"{rest}\"\n", "did you mean {best}?");
  expect_refused(title + "[trick.a]\nlr = 0.2\n[cell.baseline]\nlr = 0.3\n", "two different cells are named baseline");
}

TEST(Recipe, UnknownCellsAreAnsweredWithTheNearest) {
  const Recipe recipe = parse_recipe(kTricks, "test.toml");
  try {
    static_cast<void>(recipe.find("+smooting"));
    ADD_FAILURE();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean +smoothing?"), std::string::npos) << error.what();
  }
}

TEST(Recipe, ShippedOnesAreSound) {
  Names found;
  for (const auto& entry : std::filesystem::directory_iterator(STRIATE_RECIPES)) {
    const Recipe recipe = parse_recipe(testing_support::read_text(entry.path()), entry.path().string());
    EXPECT_FALSE(recipe.about.empty()) << entry.path();
    found.push_back(entry.path().stem());
  }
  for (const char* name : {"quick", "bag-of-tricks", "resnet-tweaks", "large-batch", "precision"}) {
    EXPECT_NE(std::find(found.begin(), found.end(), name), found.end()) << name;
  }
}

}  // namespace
}  // namespace striate::cli
